//! What a block of fields comes to: its limits, and how it ended.
//!
//! A small block can name a large field of the table thousands of times, so fields are counted at their full
//! size before they are stored, and nothing is stored once a limit is passed or a field is illegal.

use crate::syntax::FieldFault;
use crate::{Head, Name};

/// How large a field section may be.
///
/// The size is that of RFC 9113 §10.5.1: names, values, and 32 bytes for each field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SectionLimits {
    /// Size of all fields. Default: 64 KiB.
    pub bytes_max: u32,
    /// Number of fields; all crumbs of a cookie (RFC 9113 §8.2.3) count as one. Default: 128.
    pub fields_max: u32,
    /// Number of cookie crumbs. Default: 256.
    pub cookie_crumbs_max: u32,
}

/// What a block was, apart from its fields. One that is both malformed and too large is what it was first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    /// All fields are in the head.
    Complete,
    /// A name or a value is illegal: a stream error. The head is incomplete.
    Malformed(FieldFault),
    /// Over a limit. The head is incomplete.
    TooLarge,
}

/// What the fields of a block come to so far.
pub(super) struct Tally {
    /// Size that is left. Nothing once a field was refused, so that all others are too.
    bytes_left: u32,
    /// Fields that the head may have.
    fields_max: usize,
    crumbs: u32,
    crumbs_max: u32,
    section: Section,
}

// === impl Tally ===

impl Tally {
    pub(super) fn new(limits: &SectionLimits, head: &Head) -> Self {
        Self {
            bytes_left: limits.bytes_max,
            fields_max: head.fields().len() + limits.fields_max as usize,
            crumbs: 0,
            crumbs_max: limits.cookie_crumbs_max,
            section: Section::Complete,
        }
    }

    /// Counts a field that is no cookie crumb; whether it is to be stored. One that is not stored is not
    /// counted either.
    #[inline]
    pub(super) fn admits_plain(&mut self, size: u32, head: &Head) -> bool {
        let admits = size <= self.bytes_left && head.fields().len() < self.fields_max;
        if admits {
            self.bytes_left -= size;
        }
        admits
    }

    /// Counts a field; whether it is to be stored.
    #[inline]
    pub(super) fn admits(&mut self, name: Name, size: u32, head: &Head) -> bool {
        let in_time = name != Name::Cookie || self.admits_crumb();
        let admits = in_time && self.admits_plain(size, head);
        if !admits {
            self.stop(Section::TooLarge);
        }
        admits
    }

    /// All crumbs together are one field: each one after the first makes room for itself.
    fn admits_crumb(&mut self) -> bool {
        self.fields_max += usize::from(self.crumbs > 0);
        self.crumbs += 1;
        self.crumbs <= self.crumbs_max
    }

    /// A field is illegal.
    #[cold]
    pub(super) fn refuse(&mut self, fault: Option<FieldFault>) {
        self.stop(fault.map_or(Section::Complete, Section::Malformed));
    }

    /// What the limit leaves for more fields.
    pub(super) fn bytes_left(&self) -> u32 {
        self.bytes_left
    }

    /// How the block ended.
    pub(super) fn section(&self) -> Section {
        self.section
    }

    /// Nothing is stored from here on; the first reason stays.
    #[cold]
    fn stop(&mut self, section: Section) {
        if self.section == Section::Complete {
            self.section = section;
        }
        self.bytes_left = 0;
    }
}

// === impl SectionLimits ===

impl Default for SectionLimits {
    fn default() -> Self {
        Self { bytes_max: 64 * 1024, fields_max: 128, cookie_crumbs_max: 256 }
    }
}
