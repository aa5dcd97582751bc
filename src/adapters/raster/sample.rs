//! What the filters need of a sample, whatever its depth.

/// A sample that can be computed with in floating point, on its own scale.
pub(super) trait Sample: Copy {
    /// What one step of eight bits is in this depth.
    const PER_BYTE: f32;

    /// The sample as a number.
    fn into_f32(self) -> f32;

    /// Rounds, and clamps to the range of the type.
    fn from_f32(value: f32) -> Self;
}

impl Sample for u8 {
    const PER_BYTE: f32 = 1.0;

    fn into_f32(self) -> f32 {
        f32::from(self)
    }

    fn from_f32(value: f32) -> Self {
        (value + 0.5) as Self
    }
}

impl Sample for u16 {
    const PER_BYTE: f32 = 257.0;

    fn into_f32(self) -> f32 {
        f32::from(self)
    }

    fn from_f32(value: f32) -> Self {
        (value + 0.5) as Self
    }
}
