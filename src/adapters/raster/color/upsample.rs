//! Chroma at the size of luma: three parts of the nearer sample, one of the next, each way. The same filter as JPEG
//! decoders use, for samples that lie in the middle of the pixels they stand for.

/// Enlarges rows of `chroma_width` samples to `width` x `height`, each side by one or two.
pub(in crate::adapters::raster) fn upsampled<T>(samples: &[T], chroma_width: u32, (width, height): (u32, u32)) -> Vec<T>
where
    T: Copy + Default + Into<u32> + TryFrom<u32>,
{
    let (width, height, chroma_width) = (width as usize, height as usize, chroma_width as usize);
    let rows: Vec<&[T]> = samples.chunks_exact(chroma_width).collect();
    let (is_narrow, is_low) = (chroma_width < width, rows.len() < height);
    let mut whole = Vec::with_capacity(width * height);
    // Quarters of a sample.
    let mut blended = vec![0_u32; chroma_width];
    for y in 0..height {
        let (near, far) = if is_low { neighbours(y, rows.len()) } else { (y, y) };
        for ((blended, near), far) in blended.iter_mut().zip(rows[near]).zip(rows[far]) {
            *blended = 3 * (*near).into() + (*far).into();
        }
        if is_narrow {
            widen(&blended, width, &mut whole);
        } else {
            whole.extend(blended.iter().map(|quarters| narrow::<T>((quarters + 2) / 4)));
        }
    }
    whole
}

fn widen<T: Default + TryFrom<u32>>(quarters: &[u32], width: usize, out: &mut Vec<T>) {
    let end = out.len() + width;
    for (index, &near) in quarters.iter().enumerate() {
        let left = quarters[index.saturating_sub(1)];
        let right = quarters[(index + 1).min(quarters.len() - 1)];
        out.push(narrow((3 * near + left + 8) / 16));
        out.push(narrow((3 * near + right + 8) / 16));
    }
    out.truncate(end);
}

/// A mean is never larger than the largest sample, so the default never comes out.
fn narrow<T: Default + TryFrom<u32>>(mean: u32) -> T {
    T::try_from(mean).unwrap_or_default()
}

/// The chroma row over a luma row, and the one on the side that it leans to.
fn neighbours(index: usize, length: usize) -> (usize, usize) {
    let near = index / 2;
    let far = if index.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(length - 1) };
    (near, far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_stays_a_slope_each_way() {
        assert_eq!(upsampled(&[0_u8, 40, 80], 3, (6, 1)), [0, 10, 30, 50, 70, 80]);
        assert_eq!(upsampled(&[0_u16, 400], 1, (1, 4)), [0, 100, 300, 400]);
        assert_eq!(upsampled(&[10_u8, 10, 50, 50], 2, (3, 3)), [10, 10, 10, 20, 20, 20, 40, 40, 40]);
    }

    #[test]
    fn full_chroma_is_left_as_it_is() {
        assert_eq!(upsampled(&[1_u8, 2, 3, 4], 2, (2, 2)), [1, 2, 3, 4]);
    }
}
