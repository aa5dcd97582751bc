use std::ffi::c_int;

use turbojpeg::raw;

use super::handle::{Handle, TurboError, from_raw, int};
use super::padding::{padded_planes, trim};
use crate::adapters::raster::pixels::{Planes, Subsampling};

/// Progressive files have about ten scans. Each costs a pass over the whole picture, so thousands are an attack.
const MAX_SCANS: c_int = 64;

/// What the components of the file mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::adapters::raster) enum Colorspace {
    Gray,
    YCbCr,
    Rgb,
    /// CMYK, also where it is stored as YCCK.
    Cmyk,
}

/// Which interleaved samples to decode to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::adapters::raster) enum Samples {
    Gray,
    Rgb,
    Cmyk,
}

/// What the library reads from the header.
#[derive(Clone, Copy, Debug)]
pub(in crate::adapters::raster) struct Stream {
    pub(in crate::adapters::raster) width: u32,
    pub(in crate::adapters::raster) height: u32,
    /// `None` for the ways that planes cannot express.
    pub(in crate::adapters::raster) subsampling: Option<Subsampling>,
    pub(in crate::adapters::raster) colorspace: Colorspace,
}

/// Decodes one JPEG, whole or shrunk by 2, 4 or 8 in the DCT.
#[derive(Debug)]
pub(in crate::adapters::raster) struct Decompressor<'source> {
    handle: Handle,
    source: &'source [u8],
    stream: Stream,
    shrink: u32,
}

impl<'source> Decompressor<'source> {
    /// Reads the header.
    ///
    /// # Errors
    /// The library's complaint about a header it cannot use, or about more than `max_pixels`.
    pub(in crate::adapters::raster) fn open(source: &'source [u8], max_pixels: u64) -> Result<Self, TurboError> {
        let mut handle = Handle::new(raw::TJINIT_TJINIT_DECOMPRESS)?;
        handle.set(raw::TJPARAM_TJPARAM_SCANLIMIT, MAX_SCANS)?;
        handle.set(raw::TJPARAM_TJPARAM_MAXPIXELS, c_int::try_from(max_pixels).unwrap_or(c_int::MAX))?;
        // SAFETY: the pointer and the length are those of one live slice, which the call only reads.
        let status = unsafe { raw::tj3DecompressHeader(handle.as_ptr(), source.as_ptr(), source.len() as raw::size_t) };
        tolerate(handle.check(status))?;
        let stream = Stream {
            width: side(handle.get(raw::TJPARAM_TJPARAM_JPEGWIDTH))?,
            height: side(handle.get(raw::TJPARAM_TJPARAM_JPEGHEIGHT))?,
            subsampling: from_raw(handle.get(raw::TJPARAM_TJPARAM_SUBSAMP)),
            colorspace: colorspace(handle.get(raw::TJPARAM_TJPARAM_COLORSPACE))?,
        };
        Ok(Self { handle, source, stream, shrink: 1 })
    }

    /// What the header says.
    pub(in crate::adapters::raster) fn stream(&self) -> Stream {
        self.stream
    }

    /// Shrinks by 1, 2, 4 or 8 while decoding.
    pub(in crate::adapters::raster) fn shrink(&mut self, by: u32) -> Result<(), TurboError> {
        let factor = raw::tjscalingfactor { num: 1, denom: int(by as usize) };
        // SAFETY: the handle lives; factors that the library does not know are refused by it.
        let status = unsafe { raw::tj3SetScalingFactor(self.handle.as_ptr(), factor) };
        self.handle.check(status)?;
        self.shrink = by;
        Ok(())
    }

    /// Decodes to YCbCr planes, subsampled as the file is.
    ///
    /// # Errors
    /// Any error or warning of the library: a picture with a part missing is no picture.
    pub(in crate::adapters::raster) fn planes(mut self) -> Result<Planes, TurboError> {
        let subsampling = self.stream.subsampling.ok_or_else(|| TurboError::new("this subsampling has no planes"))?;
        let (width, height) = self.scaled_size();
        let mut planes = padded_planes(width, height, subsampling);
        let mut strides = [int(planes.luma.width as usize), 0, 0];
        let mut pointers = [planes.luma.samples.as_mut_ptr(), std::ptr::null_mut(), std::ptr::null_mut()];
        if let Some([cb, cr]) = &mut planes.chroma {
            strides[1..].fill(int(cb.width as usize));
            pointers[1] = cb.samples.as_mut_ptr();
            pointers[2] = cr.samples.as_mut_ptr();
        }
        let source = self.source;
        // SAFETY: source pointer and length are those of one live slice. The planes have the sizes that the library
        // documents (tj3YUVPlaneWidth/Height) for this size and subsampling, `open` read both from this very source,
        // and both arrays have the three entries that the library may read.
        self.decode(|handle| unsafe {
            raw::tj3DecompressToYUVPlanes8(
                handle,
                source.as_ptr(),
                source.len() as raw::size_t,
                pointers.as_mut_ptr(),
                strides.as_mut_ptr(),
            )
        })?;
        Ok(trim(planes))
    }

    /// Decodes to interleaved samples: width, height and the samples, rows without padding.
    ///
    /// # Errors
    /// As [`Decompressor::planes`].
    pub(in crate::adapters::raster) fn samples(mut self, want: Samples) -> Result<(u32, u32, Vec<u8>), TurboError> {
        let (width, height) = self.scaled_size();
        let (format, channels) = match want {
            Samples::Gray => (raw::TJPF_TJPF_GRAY, 1),
            Samples::Rgb => (raw::TJPF_TJPF_RGB, 3),
            Samples::Cmyk => (raw::TJPF_TJPF_CMYK, 4),
        };
        let pitch = width as usize * channels;
        let mut samples = vec![0; pitch * height as usize];
        let source = self.source;
        // SAFETY: source pointer and length are those of one live slice. The buffer holds `height` rows of `pitch`
        // bytes, which is what the library writes for the size that `open` read from this very source.
        self.decode(|handle| unsafe {
            raw::tj3Decompress8(
                handle,
                source.as_ptr(),
                source.len() as raw::size_t,
                samples.as_mut_ptr(),
                int(pitch),
                format,
            )
        })?;
        Ok((width, height, samples))
    }

    /// Decodes up to the first warning. One that is harmless as the first of all is passed over in a second run: only
    /// the last one can be asked for, so a run that goes on could hide the others behind it.
    fn decode(&mut self, mut run: impl FnMut(raw::tjhandle) -> c_int) -> Result<(), TurboError> {
        self.handle.set(raw::TJPARAM_TJPARAM_STOPONWARNING, 1)?;
        let status = run(self.handle.as_ptr());
        match self.handle.check(status) {
            Err(warning) if is_harmless(&warning) => {}
            other => return other,
        }
        self.handle.set(raw::TJPARAM_TJPARAM_STOPONWARNING, 0)?;
        let status = run(self.handle.as_ptr());
        tolerate(self.handle.check(status))
    }

    fn scaled_size(&self) -> (u32, u32) {
        (self.stream.width.div_ceil(self.shrink), self.stream.height.div_ceil(self.shrink))
    }
}

/// Lets a harmless warning pass.
fn tolerate(outcome: Result<(), TurboError>) -> Result<(), TurboError> {
    match outcome {
        Err(warning) if is_harmless(&warning) => Ok(()),
        other => other,
    }
}

/// Two warnings are about header fields that nobody reads, one about stray bytes between the picture and the end
/// marker, which some cameras write. All others mean that samples are missing or made up.
fn is_harmless(error: &TurboError) -> bool {
    let message = error.message();
    error.is_warning()
        && (message.contains("unknown JFIF revision")
            || message.contains("Unknown Adobe color transform")
            || message.ends_with("extraneous bytes before marker 0xd9"))
}

fn side(value: c_int) -> Result<u32, TurboError> {
    u32::try_from(value).ok().filter(|side| *side > 0).ok_or_else(|| TurboError::new("a side of zero"))
}

fn colorspace(value: c_int) -> Result<Colorspace, TurboError> {
    match raw::TJCS::try_from(value) {
        Ok(raw::TJCS_TJCS_GRAY) => Ok(Colorspace::Gray),
        Ok(raw::TJCS_TJCS_YCbCr) => Ok(Colorspace::YCbCr),
        Ok(raw::TJCS_TJCS_RGB) => Ok(Colorspace::Rgb),
        Ok(raw::TJCS_TJCS_CMYK | raw::TJCS_TJCS_YCCK) => Ok(Colorspace::Cmyk),
        _ => Err(TurboError::new("an unknown colour space")),
    }
}
