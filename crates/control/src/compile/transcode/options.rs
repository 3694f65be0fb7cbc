//! What is written of JSON, as the transcoder takes it.

use narrows_transcode::{
    DefaultMapping, DefaultValues, EnumForm, FieldNames, Limits, Options, Print, Services, Unknown,
};

use crate::config::{
    DefaultsWord, EnumWord, NamesWord, PrintConfig, Size, TranscodeConfig, TranscodeLimits,
    UnknownWord,
};

pub(super) fn options(config: &TranscodeConfig) -> Options {
    Options {
        services: match config.services.as_slice() {
            [] => Services::All,
            names => Services::Named(names.to_vec()),
        },
        default_mapping: match config.default_mapping {
            true => DefaultMapping::On,
            false => DefaultMapping::Off,
        },
        unknown_query: unknown(config.unknown_query),
        unknown_json: unknown(config.unknown_json),
        print: print(&config.print),
        limits: limits(&config.limits),
    }
}

fn unknown(word: UnknownWord) -> Unknown {
    match word {
        UnknownWord::Refuse => Unknown::Refuse,
        UnknownWord::Ignore => Unknown::Ignore,
    }
}

fn print(config: &PrintConfig) -> Print {
    Print {
        enums: match config.enums {
            EnumWord::Names => EnumForm::Names,
            EnumWord::Numbers => EnumForm::Numbers,
        },
        defaults: match config.defaults {
            DefaultsWord::Omit => DefaultValues::Omit,
            DefaultsWord::Write => DefaultValues::Write,
        },
        names: match config.names {
            NamesWord::Json => FieldNames::Json,
            NamesWord::Proto => FieldNames::Proto,
        },
    }
}

fn limits(config: &TranscodeLimits) -> Limits {
    let bytes = |size: Size| usize::try_from(size.0).unwrap_or(usize::MAX);
    Limits {
        request_bytes_max: bytes(config.request_bytes_max),
        line_bytes_max: bytes(config.line_bytes_max),
        json_depth_max: config.json_depth_max as usize,
        query_parameters_max: config.query_parameters_max as usize,
        reply_message_bytes_max: bytes(config.reply_message_bytes_max),
        reply_json_bytes_max: bytes(config.reply_json_bytes_max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_written_is_as_the_transcoder_has_it() {
        let (ours, theirs) = (options(&TranscodeConfig::default()), Options::default());
        assert_eq!(ours.limits, theirs.limits);
        assert_eq!(ours.print, theirs.print);
        assert_eq!(ours.services, theirs.services);
        assert_eq!(ours.default_mapping, theirs.default_mapping);
        assert_eq!(
            (ours.unknown_query, ours.unknown_json),
            (theirs.unknown_query, theirs.unknown_json)
        );
    }
}
