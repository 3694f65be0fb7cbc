//! Bytes in, compressed bytes out, in any of the codings.
//!
//! Levels and windows are those at which a core compresses some hundred megabytes a second and a reply takes
//! less than a mebibyte of memory: a gateway compresses each reply anew.

use std::fmt;
use std::io::{self, Write};

use brotli::CompressorWriter;
use flate2::Compression;
use flate2::write::GzEncoder;
use zstd::stream::raw::CParameter;
use zstd::stream::write::Encoder as ZstdEncoder;

use super::Coding;
use crate::reply::Cause;
use crate::stage::Refusal;

const GZIP_LEVEL: u32 = 4;
const BROTLI_QUALITY: u32 = 4;
const BROTLI_WINDOW_BITS: u32 = 18;
const ZSTD_LEVEL: i32 = 3;
/// RFC 9659 §3: at most 23.
const ZSTD_WINDOW_BITS: u32 = 18;
/// What brotli takes at once.
const BROTLI_BUFFER_BYTES: usize = 4096;

/// Compresses one body.
pub(super) enum Coder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

// === impl Coder ===

impl Coder {
    pub(super) fn new(coding: Coding) -> Result<Self, Refusal> {
        Ok(match coding {
            Coding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL))),
            Coding::Brotli => Self::Brotli(Box::new(CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER_BYTES,
                BROTLI_QUALITY,
                BROTLI_WINDOW_BITS,
            ))),
            Coding::Zstd => {
                let mut encoder = ZstdEncoder::new(Vec::new(), ZSTD_LEVEL).map_err(refusal)?;
                let window = CParameter::WindowLog(ZSTD_WINDOW_BITS);
                encoder.set_parameter(window).map_err(refusal)?;
                Self::Zstd(encoder)
            }
        })
    }

    /// Compresses a piece so that all of it can be read from what is appended to `out`.
    pub(super) fn write(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        let writer = self.writer();
        writer.write_all(data).and_then(|()| writer.flush()).map_err(refusal)?;
        out.append(self.written());
        Ok(())
    }

    /// Compresses the last piece, behind which nothing comes.
    pub(super) fn write_last(mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
        self.writer().write_all(data).map_err(refusal)?;
        let mut rest = match self {
            Self::Gzip(encoder) => encoder.finish().map_err(refusal)?,
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Zstd(encoder) => encoder.finish().map_err(refusal)?,
        };
        out.append(&mut rest);
        Ok(())
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::Gzip(encoder) => encoder,
            Self::Brotli(encoder) => encoder,
            Self::Zstd(encoder) => encoder,
        }
    }

    fn written(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Brotli(encoder) => encoder.get_mut(),
            Self::Zstd(encoder) => encoder.get_mut(),
        }
    }
}

/// Writing to memory does not fail; should it, the reply breaks off.
fn refusal(error: io::Error) -> Refusal {
    Refusal { cause: Cause::Internal, detail: error.to_string() }
}

impl fmt::Debug for Coder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Brotli(_) => "Brotli",
            Self::Zstd(_) => "Zstd",
        })
    }
}
