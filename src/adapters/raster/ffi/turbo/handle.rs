use std::error::Error;
use std::ffi::{CStr, c_int, c_void};
use std::fmt;
use std::ptr::NonNull;

use turbojpeg::raw;

use crate::adapters::raster::pixels::Subsampling;

/// Everything libjpeg-turbo can complain about, in its own words.
#[derive(Debug)]
pub(in crate::adapters::raster) struct TurboError {
    message: String,
    warning: bool,
}

/// An instance of the library, for one direction, used by one thread at a time.
#[derive(Debug)]
pub(super) struct Handle(NonNull<c_void>);

impl TurboError {
    pub(super) fn new(message: &str) -> Self {
        Self { message: message.to_owned(), warning: false }
    }

    /// Whether the library went on and only says that something was odd.
    pub(in crate::adapters::raster) fn is_warning(&self) -> bool {
        self.warning
    }

    /// The library's own words.
    pub(in crate::adapters::raster) fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for TurboError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "libjpeg-turbo: {}", self.message)
    }
}

impl Error for TurboError {}

impl Handle {
    pub(super) fn new(direction: raw::TJINIT) -> Result<Self, TurboError> {
        // SAFETY: `tj3Init` takes one of the library's own constants and answers null when it has no memory.
        let handle = unsafe { raw::tj3Init(int(direction as usize)) };
        NonNull::new(handle).map(Self).ok_or_else(|| TurboError::new("no memory for an instance"))
    }

    pub(super) fn as_ptr(&mut self) -> raw::tjhandle {
        self.0.as_ptr()
    }

    pub(super) fn get(&mut self, parameter: raw::TJPARAM) -> c_int {
        // SAFETY: the handle lives as long as `self`; unknown parameters answer -1.
        unsafe { raw::tj3Get(self.as_ptr(), int(parameter as usize)) }
    }

    pub(super) fn set(&mut self, parameter: raw::TJPARAM, value: c_int) -> Result<(), TurboError> {
        // SAFETY: the handle lives as long as `self`; values out of range are refused by the library.
        let status = unsafe { raw::tj3Set(self.as_ptr(), int(parameter as usize), value) };
        self.check(status)
    }

    /// Turns a status into the library's last complaint.
    pub(super) fn check(&mut self, status: c_int) -> Result<(), TurboError> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: the handle is alive; the library answers a terminated string that it owns, copied here at once.
        let message = unsafe { CStr::from_ptr(raw::tj3GetErrorStr(self.as_ptr())) }.to_string_lossy().into_owned();
        // SAFETY: the handle is alive.
        let code = unsafe { raw::tj3GetErrorCode(self.as_ptr()) };
        Err(TurboError { message, warning: code == int(raw::TJERR_TJERR_WARNING as usize) })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: the handle came from `tj3Init` and is destroyed once.
        unsafe { raw::tj3Destroy(self.as_ptr()) }
    }
}

/// Sizes of JPEG pictures are below 65,536, so they always fit.
pub(super) fn int(value: usize) -> c_int {
    c_int::try_from(value).unwrap_or(c_int::MAX)
}

/// The library's name for interleaved samples, grey for [`Subsampling::Gray`] and RGB otherwise, and the bytes of a row.
/// Unsafe calls rely on the check: there are at least `height` rows of that many bytes.
pub(super) fn interleaved(
    (width, height): (u32, u32),
    samples: &[u8],
    subsampling: Subsampling,
) -> Result<(c_int, usize), TurboError> {
    let (format, channels) = match subsampling {
        Subsampling::Gray => (raw::TJPF_TJPF_GRAY, 1),
        _ => (raw::TJPF_TJPF_RGB, 3),
    };
    let pitch = width as usize * channels;
    if samples.len() < pitch * height as usize {
        return Err(TurboError::new("fewer samples than pixels"));
    }
    Ok((format, pitch))
}

pub(super) fn to_raw(subsampling: Subsampling) -> c_int {
    match subsampling {
        Subsampling::Gray => raw::TJSAMP_TJSAMP_GRAY,
        Subsampling::Full => raw::TJSAMP_TJSAMP_444,
        Subsampling::HalfWidth => raw::TJSAMP_TJSAMP_422,
        Subsampling::HalfHeight => raw::TJSAMP_TJSAMP_440,
        Subsampling::Quarter => raw::TJSAMP_TJSAMP_420,
    }
}

/// `None` for the exotic ways (4:1:1 and odder) that have no place in [`Subsampling`].
pub(super) fn from_raw(subsampling: c_int) -> Option<Subsampling> {
    match subsampling {
        raw::TJSAMP_TJSAMP_GRAY => Some(Subsampling::Gray),
        raw::TJSAMP_TJSAMP_444 => Some(Subsampling::Full),
        raw::TJSAMP_TJSAMP_422 => Some(Subsampling::HalfWidth),
        raw::TJSAMP_TJSAMP_440 => Some(Subsampling::HalfHeight),
        raw::TJSAMP_TJSAMP_420 => Some(Subsampling::Quarter),
        _ => None,
    }
}
