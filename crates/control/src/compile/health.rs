//! How nodes are watched: from words to what workers go by.

use std::sync::Arc;

use narrows_gateway::endpoints::{Endpoints, Health};
use narrows_gateway::outlier::{Detection, FailureRatio, Failures};
use narrows_gateway::slow_start::SlowStart;
use narrows_gateway::snapshot::ClientTls;

use super::report::Report;
use crate::config::{
    CheckMethod, FailureWord, InitialWord, OutlierConfig, ProbeConfig, ProtocolWord,
    SlowStartConfig, UpstreamConfig,
};
use crate::connect::Security;
use crate::health::{Checks, HttpProbe, HttpVersion, Probe, Settings, Watching, Way};

/// Finds what concerns a list of nodes where there is none.
pub(super) fn check(path: &str, upstream: &UpstreamConfig, report: &mut Report<'_>) {
    if let Some(check) = &upstream.health_check {
        let path = format!("{path}.health_check");
        match check.probe() {
            Err(message) => report.error(path, message),
            Ok(ProbeConfig::Http(http)) if !http.path.starts_with('/') => {
                report.error(format!("{path}.http.path"), "a path begins with /");
            }
            Ok(_) => {}
        }
    }
    let words = [
        ("health_check", upstream.health_check.is_some()),
        ("outlier_detection", upstream.outlier_detection.is_some()),
        ("slow_start", upstream.slow_start.is_some()),
    ];
    for (word, _) in words.into_iter().filter(|(_, given)| *given && upstream.lookup.is_some()) {
        let message = "nodes that a store names are not watched; only those of a list are";
        report.error(format!("{path}.{word}"), message);
    }
}

/// How nodes are asked, if they are.
pub(super) fn checks(
    upstream: &str,
    config: &UpstreamConfig,
    tls: &Arc<ClientTls>,
    endpoints: &Arc<Endpoints>,
) -> Option<Arc<Checks>> {
    let check = config.health_check.as_ref()?;
    let probe = probe(check.probe().ok()?, config.protocol);
    let is_secure = config.protocol.is_secure();
    let security = if is_secure { Security::Tls } else { Security::Plain };
    let settings = Settings {
        way: Way::new(security, tls, &probe),
        probe,
        port: check.port,
        interval: check.interval.0,
        unhealthy_interval: check.unhealthy_interval.unwrap_or(check.interval).0,
        timeout: check.timeout.0,
        jitter_percent: check.jitter.0,
        rise: check.rise,
        fall: check.fall,
        initial: initial(config),
    };
    let (settings, endpoints) = (Arc::new(settings), endpoints.clone());
    Some(Arc::new(Checks { upstream: upstream.into(), endpoints, settings }))
}

/// What a node that joins is taken for.
pub(super) fn initial(config: &UpstreamConfig) -> Health {
    match config.health_check.as_ref().map(|check| check.initial) {
        Some(InitialWord::Failing) => Health::Failing,
        Some(InitialWord::Passing) | None => Health::Passing,
    }
}

fn probe(config: ProbeConfig<'_>, protocol: ProtocolWord) -> Probe {
    match config {
        ProbeConfig::Tcp => Probe::Tcp,
        ProbeConfig::Grpc(grpc) => Probe::Grpc {
            service: grpc.service.clone(),
            watch: if grpc.watch { Watching::Yes } else { Watching::No },
        },
        ProbeConfig::Http(http) => Probe::Http(HttpProbe {
            version: match protocol {
                ProtocolWord::H2c | ProtocolWord::H2 => HttpVersion::Http2,
                ProtocolWord::Http1
                | ProtocolWord::Https
                | ProtocolWord::Tcp
                | ProtocolWord::Tls => HttpVersion::Http1,
            },
            method: match http.method {
                CheckMethod::Get => "GET",
                CheckMethod::Head => "HEAD",
                CheckMethod::Options => "OPTIONS",
            },
            path: http.path.clone(),
            host: http.host.clone(),
            status: http.status.iter().map(|range| (range.first, range.last)).collect(),
        }),
    }
}

/// When nodes are ejected; without a word only those are that can not be reached.
pub(super) fn outliers(config: Option<&OutlierConfig>) -> Detection {
    let Some(config) = config else { return Detection::default() };
    let ratio = FailureRatio {
        percent: config.failure_ratio.0,
        volume: config.failure_ratio_volume.into(),
    };
    Detection {
        failures: config
            .failures
            .iter()
            .map(|word| failure(*word))
            .fold(Failures::NONE, Failures::and),
        consecutive_failures: config.consecutive_failures,
        consecutive_connect_failures: config.consecutive_connect_failures,
        failure_ratio: (ratio.percent > 0).then_some(ratio),
        interval: config.interval.0,
        base_ejection_time: config.base_ejection_time.0,
        max_ejection_time: config.max_ejection_time.0.max(config.base_ejection_time.0),
        max_ejected_percent: config.max_ejected.0,
    }
}

pub(super) fn slow_start(config: &SlowStartConfig) -> SlowStart {
    SlowStart {
        window: config.window.0,
        curve: config.curve.0,
        min_weight_percent: config.min_weight.0.max(1),
    }
}

fn failure(word: FailureWord) -> Failures {
    match word {
        FailureWord::ConnectFailure => Failures::CONNECT,
        FailureWord::Timeout => Failures::TIMEOUT,
        FailureWord::Reset => Failures::RESET,
        FailureWord::GatewayError => Failures::GATEWAY_ERROR,
        FailureWord::ServerError => Failures::SERVER_ERROR,
        FailureWord::Cancelled => Failures::grpc(1),
        FailureWord::Unknown => Failures::grpc(2),
        FailureWord::InvalidArgument => Failures::grpc(3),
        FailureWord::DeadlineExceeded => Failures::grpc(4),
        FailureWord::NotFound => Failures::grpc(5),
        FailureWord::AlreadyExists => Failures::grpc(6),
        FailureWord::PermissionDenied => Failures::grpc(7),
        FailureWord::ResourceExhausted => Failures::grpc(8),
        FailureWord::FailedPrecondition => Failures::grpc(9),
        FailureWord::Aborted => Failures::grpc(10),
        FailureWord::OutOfRange => Failures::grpc(11),
        FailureWord::Unimplemented => Failures::grpc(12),
        FailureWord::Internal => Failures::grpc(13),
        FailureWord::Unavailable => Failures::grpc(14),
        FailureWord::DataLoss => Failures::grpc(15),
        FailureWord::Unauthenticated => Failures::grpc(16),
    }
}

#[cfg(test)]
mod tests {
    use narrows_gateway::outlier::Fault;

    use super::*;

    #[test]
    fn what_counts_is_the_same_with_an_empty_section_and_without_one() {
        let written = outliers(Some(&OutlierConfig::default()));
        let silent = outliers(None);
        assert_eq!(written.failures, silent.failures);
        assert_eq!((written.consecutive_failures, silent.consecutive_failures), (5, 0));
    }

    #[test]
    fn statuses_that_blame_the_request_are_no_failures_unless_listed() {
        let default = outliers(None).failures;
        for code in [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16] {
            assert!(!default.contain(Fault::Grpc(code)), "{code}");
        }
        for fault in [Fault::Grpc(13), Fault::Grpc(14), Fault::Grpc(15), Fault::Http(500)] {
            assert!(default.contain(fault), "{fault:?}");
        }
        let listed = OutlierConfig { failures: vec![FailureWord::NotFound], ..Default::default() };
        let listed = outliers(Some(&listed)).failures;
        assert!(listed.contain(Fault::Grpc(5)) && !listed.contain(Fault::Grpc(14)));
    }
}
