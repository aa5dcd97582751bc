use std::fmt;
use std::sync::Arc;

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
    /// What makes two requests the same request: bucket, storage and result key in one text.
    ///
    /// Equal keys are answered with equal bytes; different plans never share a key.
    Key
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
