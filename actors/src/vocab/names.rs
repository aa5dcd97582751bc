use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What makes two requests the same request: bucket, storage and result key in one text; and the original that the
/// result is derived from.
///
/// Equal keys are answered with equal bytes for as long as the original stays; different plans never share a key. The
/// text alone tells keys apart: a result has one original.
#[derive(Clone)]
pub struct Key {
    text: Arc<str>,
    original: Option<OriginalId>,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a name that its maker has already validated.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// One configured storage of one bucket, as `bucket/storage`. A storage client is built for each.
    StoreId
}

name! {
    /// An object's name inside a store, without a leading slash unless the object itself has one.
    ObjectKey
}

name! {
    /// Whom work is for: a bucket. Those who have much to be done do not make the others wait.
    Owner
}

name! {
    /// An original as URLs name it: `bucket/key`. Neither the storage it lies in nor who asks for it matters.
    OriginalId
}

/// The originals that a change is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Originals {
    /// This one.
    One(OriginalId),
    /// All whose name as `bucket/key` begins with this text.
    Beginning(Arc<str>),
}

impl Key {
    /// A key of what is derived from no original.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self { text: text.into(), original: None }
    }

    /// The same key, of what is derived from `original`.
    #[must_use]
    pub fn of(self, original: OriginalId) -> Self {
        Self { original: Some(original), ..self }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the result is derived from.
    pub fn original(&self) -> Option<&OriginalId> {
        self.original.as_ref()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl OriginalId {
    /// The name of an object of a bucket. A bucket's name has no slash.
    pub fn in_bucket(bucket: &str, key: &ObjectKey) -> Self {
        Self::new(format!("{bucket}/{key}"))
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(bucket, _)| bucket)
    }

    /// The key in the bucket.
    pub fn key(&self) -> &str {
        self.0.split_once('/').map_or("", |(_, key)| key)
    }
}

impl Originals {
    /// Whether an original is one of them.
    pub fn contains(&self, original: &OriginalId) -> bool {
        match self {
            Self::One(one) => one == original,
            Self::Beginning(text) => original.as_str().starts_with(&**text),
        }
    }

    /// The one bucket that they are in; `None` when they may be in several.
    pub fn bucket(&self) -> Option<&str> {
        match self {
            Self::One(one) => Some(one.bucket()),
            Self::Beginning(text) => text.split_once('/').map(|(bucket, _)| bucket),
        }
    }
}
