//! Values that are written as one word: durations, sizes, addresses, secrets.
//!
//! Each is a type that can not hold a wrong value. [`TextForm`] gives it a name for the JSON
//! schema's `format`, a sentence on what is expected, and a parser; the macro makes serde and
//! schemars agree with them. The loader finds the parser again by the name, so that a bad word is
//! reported with its place.

use std::fmt::Display;
use std::str::FromStr;

use super::address::{Address, Network, NodeAddress};
use super::health::{Curve, Percent};
use super::health_check::StatusRange;
use super::path::FilePath;
use super::secret::{Secret, SecretUrl};
use super::units::{Limit, Period, Size};

/// A value written as one word.
pub trait TextForm: FromStr<Err: Display> + Display {
    /// Its name in the schema.
    const FORMAT: &'static str;
    /// What to write, for the reference and for messages.
    const EXPECTED: &'static str;
    /// JSON types that are read: a word, or also a plain number.
    const JSON_TYPES: &'static [&'static str] = &["string"];
}

/// Tells whether a word has the form, or why not.
pub(crate) type Check = fn(&str) -> Result<(), String>;

/// Finds the form with this name in the schema: its check and what it expects.
pub(crate) fn find(format: &str) -> Option<(Check, &'static str)> {
    fn row<T: TextForm>() -> (&'static str, Check, &'static str) {
        let check: Check = |text| text.parse::<T>().map(drop).map_err(|error| error.to_string());
        (T::FORMAT, check, T::EXPECTED)
    }
    let table: [_; 13] = [
        row::<Period>(),
        row::<Size>(),
        row::<Limit<Period>>(),
        row::<Limit<Size>>(),
        row::<Address>(),
        row::<Network>(),
        row::<NodeAddress>(),
        row::<Secret>(),
        row::<SecretUrl>(),
        row::<FilePath>(),
        row::<Percent>(),
        row::<Curve>(),
        row::<StatusRange>(),
    ];
    let found = table.into_iter().find(|(name, ..)| *name == format);
    found.map(|(_, check, expected)| (check, expected))
}

/// Serde and schema of a [`TextForm`]: as its text.
macro_rules! text_form {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                <Self as $crate::config::form::TextForm>::FORMAT.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                use $crate::config::form::TextForm;
                match <Self as TextForm>::JSON_TYPES {
                    [one] => schemars::json_schema!({
                        "type": one, "format": <Self as TextForm>::FORMAT
                    }),
                    several => schemars::json_schema!({
                        "type": several, "format": <Self as TextForm>::FORMAT
                    }),
                }
            }
        }
    };
}
pub(crate) use text_form;
