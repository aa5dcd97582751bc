use crate::vocab::EntityTag;

/// What must be true of the object in its place for a write to happen. It is judged in the same step that makes the new
/// object visible, so of two writers with the same condition one at most succeeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PutCondition {
    /// Nothing: whatever is there is replaced.
    #[default]
    None,
    /// There is no object.
    IfAbsent,
    /// The object that is there has this validator.
    IfMatch(EntityTag),
}
