use mortar_actors::StoreId;

/// The parts of a [`StoreId`]: `bucket/storage`, or `bucket/storage#container`.
///
/// The container stands in the id, so that a client of a store never depends on who asked first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreAddress<'a> {
    /// The bucket whose configuration holds the storage.
    pub bucket: &'a str,
    /// The storage's name there.
    pub storage: &'a str,
    /// The container, where it is not the one called like the bucket. A storage's own `bucket` key wins over it.
    pub container: Option<&'a str>,
}

impl<'a> StoreAddress<'a> {
    /// Takes an id apart. `None` when it was not made by [`StoreAddress::id`].
    pub fn parse(id: &'a StoreId) -> Option<Self> {
        let (bucket, rest) = id.as_str().split_once('/')?;
        let (storage, container) = match rest.split_once('#') {
            Some((storage, container)) => (storage, Some(container)),
            None => (rest, None),
        };
        Some(Self { bucket, storage, container })
    }

    /// Puts the parts together.
    pub fn id(self) -> StoreId {
        let Self { bucket, storage, container } = self;
        match container {
            Some(container) => StoreId::new(format!("{bucket}/{storage}#{container}")),
            None => StoreId::new(format!("{bucket}/{storage}")),
        }
    }
}
