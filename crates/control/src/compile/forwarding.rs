//! The header rules of a listener: texts become ones that a field can hold, lists hold nothing twice.

use narrows_gateway::forwarding::{
    AddTo, Echo, Forwarding, RequestIds, Rules, ServerField, Traces, Trail,
};
use narrows_gateway::snapshot::Networks;
use narrows_wire::syntax;

use super::report::Report;
use crate::config::{AddToWord, ForwardingConfig, RequestIdWord, ServerWord, TraceWord, TrailWord};

/// Compiles what stands at `path`. Faults are reported; what comes out of them is of no use.
pub(super) fn compile(
    path: &str,
    config: &ForwardingConfig,
    report: &mut Report<'_>,
) -> Forwarding {
    trust(path, config, report);
    Forwarding::new(Rules {
        trusted: Networks::new(config.trusted_proxies.iter().map(|network| network.0).collect()),
        trusted_hops: config.trusted_hops,
        add: trails(path, &config.add, report),
        add_to: match config.add_to {
            AddToWord::NotGrpc => AddTo::NotGrpc,
            AddToWord::All => AddTo::All,
        },
        via: config.via.as_deref().map(|name| via(path, name, report)),
        request_ids: match config.request_id {
            RequestIdWord::Pass => RequestIds::Pass,
            RequestIdWord::Fill => RequestIds::Fill,
            RequestIdWord::Replace => RequestIds::Replace,
        },
        echo: if config.echo_request_id { Echo::On } else { Echo::Off },
        traces: match config.traceparent {
            TraceWord::Pass => Traces::Pass,
            TraceWord::Begin => Traces::Begin,
        },
        server: match &config.server {
            ServerWord::Pass => ServerField::Pass,
            ServerWord::Remove => ServerField::Remove,
            ServerWord::Replace(name) => ServerField::Replace(server(path, name, report)),
        },
    })
}

fn trust(path: &str, config: &ForwardingConfig, report: &mut Report<'_>) {
    for (at, network) in config.trusted_proxies.iter().enumerate() {
        if network.0.prefix_len() == 0 {
            let message = "everybody is trusted: any caller can say that it is someone else";
            report.warn(format!("{path}.trusted_proxies[{at}]"), message);
        }
    }
}

fn trails(path: &str, words: &[TrailWord], report: &mut Report<'_>) -> Vec<Trail> {
    let place = |at: usize| format!("{path}.add[{at}]");
    for (at, word) in words.iter().enumerate() {
        let mut before = words.iter().take(at).enumerate();
        if before.any(|(first, other)| other == word && report.is_certain(&place(first))) {
            report.error(place(at), "is there already");
        }
    }
    let trail = |word: &TrailWord| match word {
        TrailWord::XForwardedFor => Trail::XForwardedFor,
        TrailWord::XForwardedProto => Trail::XForwardedProto,
        TrailWord::XForwardedHost => Trail::XForwardedHost,
        TrailWord::XForwardedPort => Trail::XForwardedPort,
        TrailWord::XRealIp => Trail::XRealIp,
        TrailWord::Forwarded => Trail::Forwarded,
    };
    words.iter().map(trail).collect()
}

/// RFC 9110 §7.6.3: a pseudonym is a token.
fn via(path: &str, name: &str, report: &mut Report<'_>) -> Box<str> {
    let lower = name.to_ascii_lowercase();
    if lower.starts_with(':') || syntax::check_name(lower.as_bytes()).is_err() {
        let message = format!("{name:?} is no name for via; it has letters, digits, -, _, or .");
        report.error(format!("{path}.via"), message);
    }
    name.into()
}

fn server(path: &str, name: &str, report: &mut Report<'_>) -> Box<str> {
    if name.is_empty() {
        report.error(format!("{path}.server.replace"), "is empty; write remove instead");
    }
    report.ok(format!("{path}.server.replace"), syntax::check_value(name.as_bytes()));
    name.into()
}
