//! Series of calls: by route, and by gRPC method.

use std::collections::BTreeMap;
use std::sync::Arc;

use narrows_gateway::reply::{Cause, Row, TABLE};
use narrows_gateway::snapshot::Route;
use narrows_gateway::stats::{BUCKETS, Counter, Histogram, RouteShard, WorkerStats};
use narrows_gateway::timeout::STAGES;

use super::text::{Kind, Text};

/// The names that gRPC's Go middleware made common in dashboards; the last one: no gRPC status was seen.
const GRPC_CODES: [&str; 18] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
    "none",
];

const HTTP_CLASSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// Durations of several shards together.
#[derive(Default)]
pub(super) struct Durations {
    counts: [u64; BUCKETS.len() + 1],
    sum_seconds: f64,
}

pub(super) fn routes(text: &mut Text, routes: &[&Arc<Route>], workers: &[Arc<WorkerStats>]) {
    durations(text, routes);
    replies(text, routes);
    filters(text, routes);
    let mut gauge = text.family("http_server_active_requests", Kind::Gauge, "Calls that live now.");
    for route in routes {
        let active = route.stats.shards().iter().map(|shard| shard.active.get()).sum::<i64>();
        gauge.sample(&[("http_route", &route.name)], active as f64);
    }
    counter(text, "narrows_requests_total", "Calls begun.", routes, |shard| &shard.started);
    volumes(text, routes);
    locals(text, routes, workers);
}

/// What messages weigh, by part and direction.
fn volumes(text: &mut Text, routes: &[&Arc<Route>]) {
    const LINE: &str = "Bytes of pseudo fields (first line and Host of HTTP/1)";
    const HEAD: &str = "Bytes of all other fields, trailers among them,";
    const BODY: &str = "Body bytes";
    let mut count = |name, part, whence, pick: fn(&RouteShard) -> &Counter| {
        counter(text, name, &format!("{part} {whence} callers."), routes, pick);
    };
    count("narrows_request_line_bytes_total", LINE, "from", |shard| &shard.bytes_in.line);
    count("narrows_request_head_bytes_total", HEAD, "from", |shard| &shard.bytes_in.head);
    count("narrows_request_bytes_total", BODY, "from", |shard| &shard.bytes_in.body);
    count("narrows_response_line_bytes_total", LINE, "to", |shard| &shard.bytes_out.line);
    count("narrows_response_head_bytes_total", HEAD, "to", |shard| &shard.bytes_out.head);
    count("narrows_response_bytes_total", BODY, "to", |shard| &shard.bytes_out.body);
}

/// The workers' methods together, ordered by path.
pub(super) fn methods(text: &mut Text, workers: &[Arc<WorkerStats>]) {
    let mut all: BTreeMap<Box<str>, ([u64; 18], Durations)> = BTreeMap::new();
    for method in workers.iter().flat_map(|worker| worker.methods()) {
        let (handled, durations) = all.entry(method.path.clone()).or_default();
        for (sum, counter) in handled.iter_mut().zip(&method.handled) {
            *sum += counter.get();
        }
        durations.add(&method.duration);
    }
    let mut family = text.family(
        "grpc_server_handled_total",
        Kind::Counter,
        "gRPC calls ended, by the status that the caller was sent.",
    );
    for (path, (handled, _)) in &all {
        let (service, method) = split(path);
        for (code, count) in GRPC_CODES.iter().zip(handled).filter(|(_, count)| **count != 0) {
            let labels = [("grpc_service", service), ("grpc_method", method), ("grpc_code", code)];
            family.sample(&labels, *count as f64);
        }
    }
    let help = "From the head of the request to the end of the gRPC call.";
    let mut family = text.family("grpc_server_handling_seconds", Kind::Histogram, help);
    for (path, (_, durations)) in &all {
        let (service, method) = split(path);
        let labels = [("grpc_service", service), ("grpc_method", method)];
        family.histogram(&labels, &BUCKETS, &durations.counts, durations.sum_seconds);
    }
}

fn durations(text: &mut Text, routes: &[&Arc<Route>]) {
    let help = "From the head of the request to the end of the call.";
    let mut family = text.family("http_server_request_duration_seconds", Kind::Histogram, help);
    for route in routes {
        let mut sum = Durations::default();
        for shard in route.stats.shards() {
            sum.add(&shard.duration);
        }
        family.histogram(&[("http_route", &route.name)], &BUCKETS, &sum.counts, sum.sum_seconds);
    }
}

fn replies(text: &mut Text, routes: &[&Arc<Route>]) {
    let mut family = text.family(
        "narrows_responses_total",
        Kind::Counter,
        "Calls ended, by class of the HTTP status.",
    );
    for route in routes {
        for (at, class) in HTTP_CLASSES.iter().enumerate() {
            let count = sum(route, |shard| shard.http.get(at));
            if count != 0 {
                family.sample(&[("route", &route.name), ("code", class)], count as f64);
            }
        }
    }
    let mut family =
        text.family("narrows_grpc_responses_total", Kind::Counter, "Calls ended, by gRPC status.");
    for route in routes {
        for (at, code) in GRPC_CODES.iter().enumerate() {
            let count = sum(route, |shard| shard.grpc.get(at));
            if count != 0 {
                family.sample(&[("route", &route.name), ("grpc_code", code)], count as f64);
            }
        }
    }
}

fn filters(text: &mut Text, routes: &[&Arc<Route>]) {
    let help = "Filters that failed and were skipped, or refused the call (on_error).";
    let mut family = text.family("narrows_filter_errors_total", Kind::Counter, help);
    for route in routes {
        // Filters of one name share their counter.
        let filters = route.filters.filters().iter();
        let failures: BTreeMap<_, _> =
            filters.map(|one| (one.filter.name(), one.stats.failures())).collect();
        for (filter, count) in failures {
            family.sample(&[("filter", filter), ("route", &route.name)], count as f64);
        }
    }
}

fn locals(text: &mut Text, routes: &[&Arc<Route>], workers: &[Arc<WorkerStats>]) {
    let help = "Replies made by the gateway itself, by reason.";
    let mut family = text.family("narrows_local_replies_total", Kind::Counter, help);
    let mut sample = |route: &str, row: &Row, count: u64| {
        if count != 0 {
            let code = GRPC_CODES[usize::from(row.grpc.code()).min(17)];
            let labels = [("route", route), ("reason", row.reason), ("grpc_code", code)];
            family.sample(&labels, count as f64);
        }
    };
    for row in TABLE {
        for route in routes {
            sample(&route.name, row, sum(route, |shard| Some(shard.local.of(row.cause))));
        }
        // A request without a route has an empty label.
        let unrouted = workers.iter().map(|worker| worker.unrouted.of(row.cause).get());
        sample("", row, unrouted.sum());
    }
    let help = "Calls ended because a stage took too long.";
    let mut family = text.family("narrows_timeouts_total", Kind::Counter, help);
    for (cause, stage) in STAGES {
        let of = |route: &&Arc<Route>| sum(route, |shard| Some(shard.local.of(cause)));
        let mut count = routes.iter().map(of).sum::<u64>();
        for worker in workers {
            count += worker.unrouted.of(cause).get();
            // What is not even a request has no cause.
            count += if cause == Cause::HeadTimeout { worker.parse_timeouts.get() } else { 0 };
        }
        family.sample(&[("stage", stage)], count as f64);
    }
}

fn counter(
    text: &mut Text,
    name: &str,
    help: &str,
    routes: &[&Arc<Route>],
    pick: impl Fn(&RouteShard) -> &Counter,
) {
    let mut family = text.family(name, Kind::Counter, help);
    for route in routes {
        family.sample(&[("route", &route.name)], sum(route, |shard| Some(pick(shard))) as f64);
    }
}

fn sum<'a>(route: &'a Route, pick: impl Fn(&'a RouteShard) -> Option<&'a Counter>) -> u64 {
    route.stats.shards().iter().filter_map(pick).map(Counter::get).sum()
}

/// `/pkg.Service/Method` in its two parts; what is not written so is a method of no service.
fn split(path: &str) -> (&str, &str) {
    path.strip_prefix('/').and_then(|path| path.rsplit_once('/')).unwrap_or(("", path))
}

// === impl Durations ===

impl Durations {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        for (sum, count) in self.counts.iter_mut().zip(histogram.counts()) {
            *sum += count;
        }
        self.sum_seconds += histogram.sum_seconds();
    }

    pub(super) fn counts(&self) -> &[u64] {
        &self.counts
    }

    pub(super) fn sum_seconds(&self) -> f64 {
        self.sum_seconds
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn methods_of_all_workers_are_added_up() {
        let workers = [Arc::new(WorkerStats::default()), Arc::new(WorkerStats::default())];
        for worker in &workers {
            let method = worker.add_method("/a.B/C");
            method.handled[0].add(2);
            method.handled[17].add(1);
            method.duration.record(Duration::from_millis(3));
        }
        workers[0].add_method("other").handled[14].add(1);
        let mut text = Text::new();
        methods(&mut text, &workers);
        let page = text.into_string();
        for line in [
            "grpc_server_handled_total{grpc_service=\"a.B\",grpc_method=\"C\",grpc_code=\"OK\"} 4\n",
            "grpc_server_handled_total{grpc_service=\"a.B\",grpc_method=\"C\",grpc_code=\"none\"} 2\n",
            "grpc_server_handled_total{grpc_service=\"\",grpc_method=\"other\",grpc_code=\"Unavailable\"} 1\n",
            "grpc_server_handling_seconds_bucket{grpc_service=\"a.B\",grpc_method=\"C\",le=\"0.0025\"} 0\n",
            "grpc_server_handling_seconds_bucket{grpc_service=\"a.B\",grpc_method=\"C\",le=\"0.005\"} 2\n",
            "grpc_server_handling_seconds_count{grpc_service=\"a.B\",grpc_method=\"C\"} 2\n",
        ] {
            assert!(page.contains(line), "no {line} in\n{page}");
        }
    }
}
