//! Which route wins, as tables: routes in the order of the file, then requests and what they take.

use narrows_wire::Indexing;

use super::*;
use crate::filter::Chain;
use crate::snapshot::{Networks, Timeouts, Translate};
use crate::stats::RouteStats;

#[test]
fn the_more_specific_path_wins_whatever_the_order_of_the_file() {
    let router = router(vec![
        ("any", Match::default()),
        ("regex", path(PathMatch::regex("/a.*"))),
        ("short", path(PathMatch::prefix("/a"))),
        ("long", path(PathMatch::prefix("/a/b"))),
        ("sibling", path(PathMatch::prefix("/a/a"))),
        ("exact", path(PathMatch::exact("/a/b/c"))),
    ]);
    for (path, route) in [
        ("/a/b/c", "exact"),
        ("/a/b/c?x=1", "exact"),
        ("/a/b/c/", "long"),
        ("/a/bc", "long"),
        ("/a/c", "short"),
        ("/a/az", "sibling"),
        ("/a", "short"),
        ("/b", "any"),
        ("*", "any"),
    ] {
        assert_eq!(take(&router, &[(":path", path)]), Some(route), "{path}");
    }
}

#[test]
fn a_grpc_method_stands_between_exact_path_and_prefix() {
    let router = router(vec![
        ("prefix", path(PathMatch::prefix("/s.A/Get"))),
        ("service", grpc(Some("s.A"), None)),
        ("method", grpc(None, Some("Get"))),
        ("both", grpc(Some("s.A"), Some("Get"))),
        ("exact", path(PathMatch::exact("/s.A/Exact"))),
        ("hidden", grpc(Some("s.A"), Some("Exact"))),
    ]);
    let call = |path| take(&router, &[(":path", path), ("content-type", "application/grpc+proto")]);
    assert_eq!(call("/s.A/Get"), Some("both"));
    assert_eq!(call("/s.A/GetAll"), Some("prefix"));
    assert_eq!(call("/s.A/Other"), Some("service"));
    assert_eq!(call("/s.B/Get"), Some("method"));
    assert_eq!(call("/s.A/Exact"), Some("exact"));
    assert_eq!(call("/s.B/Other"), None);
    let text = [(":path", "/s.A/Get"), ("content-type", "text/plain")];
    assert_eq!(take(&router, &text), Some("prefix"));
}

#[test]
fn every_prefix_of_a_path_is_tried_from_long_to_short() {
    let absent =
        |prefix| Match { headers: vec![header("no", ValueMatch::Present)], ..path(prefix) };
    let router = router(vec![
        ("root", path(PathMatch::prefix("/"))),
        ("a", path(PathMatch::prefix("/a"))),
        ("ab", absent(PathMatch::prefix("/ab"))),
        ("abc", absent(PathMatch::prefix("/abc"))),
        ("abb", path(PathMatch::prefix("/abb"))),
        ("abcd", absent(PathMatch::exact("/abcd"))),
    ]);
    assert_eq!(take(&router, &[(":path", "/abcd")]), Some("a"));
    assert_eq!(take(&router, &[(":path", "/abcd"), ("no", "")]), Some("abcd"));
    assert_eq!(take(&router, &[(":path", "/abbb")]), Some("abb"));
    assert_eq!(take(&router, &[(":path", "/zz")]), Some("root"));
}

#[test]
fn after_the_path_come_authority_fields_method_and_source() {
    let authorities = |text: &str| vec![AuthorityMatch::new(text).expect(text)];
    let sources = |text: &str| Networks::new(vec![text.parse().expect(text)]);
    let router = router(vec![
        ("any", Match::default()),
        ("wide", Match { sources: sources("10.0.0.0/8"), ..Match::default() }),
        ("narrow", Match { sources: sources("10.1.0.0/16"), ..Match::default() }),
        ("get", Match { methods: vec![Method::new("GET").expect("a method")], ..Match::default() }),
        ("one", Match { headers: vec![header("a", ValueMatch::Present)], ..Match::default() }),
        (
            "two",
            Match {
                headers: vec![header("a", ValueMatch::Present)],
                query: vec![("q".into(), ValueMatch::Exact(b"1 2".as_slice().into()))],
                ..Match::default()
            },
        ),
        ("star", Match { authorities: authorities("*.com"), ..Match::default() }),
        ("longer", Match { authorities: authorities("*.a.com"), ..Match::default() }),
        ("host", Match { authorities: authorities("x.a.com"), ..Match::default() }),
    ]);
    let mut fields = vec![(":path", "/?q=1+2")];
    for (field, route) in [
        (("b", ""), "narrow"),
        ((":method", "GET"), "get"),
        (("a", ""), "two"),
        (("host", "b.com"), "star"),
    ] {
        fields.push(field);
        assert_eq!(take(&router, &fields), Some(route));
    }
    assert_eq!(take(&router, &[(":authority", "y.a.com:80")]), Some("longer"));
    assert_eq!(take(&router, &[(":authority", "x.a.com:80")]), Some("host"));
    assert_eq!(take(&router, &[("a", "")]), Some("one"));
    let elsewhere = Request { head: &Head::new(), source: IpAddr::from([11, 0, 0, 1]) };
    assert_eq!(found(&router, &elsewhere), Some("any"));
}

#[test]
fn equal_routes_keep_the_order_of_the_file() {
    let router = router(vec![
        ("first", path(PathMatch::prefix("/a"))),
        ("other", path(PathMatch::prefix("/b"))),
        ("second", path(PathMatch::prefix("/a"))),
    ]);
    assert_eq!(take(&router, &[(":path", "/a")]), Some("first"));
    let order: Vec<_> = router.routes().map(|route| &*route.name).collect();
    assert_eq!(order, ["first", "second", "other"]);
}

#[test]
fn explain_says_what_each_route_lacks() {
    let job = Match {
        headers: vec![header("jobid", ValueMatch::Present)],
        ..path(PathMatch::prefix("/s/"))
    };
    let post = Match { methods: vec![Method::new("POST").expect("a method")], ..Match::default() };
    let router = router(vec![
        ("post", post),
        ("grpc", grpc(Some("s"), None)),
        ("job", job),
        ("exact", path(PathMatch::exact("/t"))),
        (
            "local",
            Match {
                sources: Networks::new(vec!["::1/128".parse().expect("net")]),
                ..Match::default()
            },
        ),
    ]);
    let head = head(&[(":path", "/s/m"), (":method", "POST")]);
    let request = Request { head: &head, source: IpAddr::from([10, 1, 0, 1]) };
    let verdicts: Vec<_> = router
        .explain(&request)
        .into_iter()
        .map(|(route, verdict)| format!("{}: {}", route.name, verdict.err().unwrap_or_default()))
        .collect();
    assert_eq!(
        verdicts,
        [
            "exact: path is /t",
            "grpc: is a gRPC call of /s/*",
            "job: header jobid is present",
            "post: ",
            "local: source is in ::1/128",
        ]
    );
    assert_eq!(found(&router, &request), Some("post"));
}

#[test]
fn the_index_finds_what_reading_all_routes_in_order_finds() {
    let mut random = 7_u64;
    let mut below = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % bound
    };
    let mut text = move || {
        let length = below(5);
        (0..length).fold(String::from("/"), |text, _| text + ["a", "b", "/"][below(3) as usize])
    };
    let routes = (0..120).map(|at| {
        let matched = match at % 3 {
            0 => path(PathMatch::exact(&text())),
            1 => path(PathMatch::prefix(&text())),
            _ => grpc(Some("a"), [None, Some("b")][at % 2]),
        };
        (
            "r",
            Match {
                headers: vec![header(["x", "y", "z"][at / 3 % 3], ValueMatch::Present)],
                ..matched
            },
        )
    });
    let router = router(routes.collect());
    for at in 0..2_000 {
        let path = text();
        let name = ["x", "y", "z", "none"][at % 4];
        let head = head(&[(":path", &path), (name, ""), ("content-type", "application/grpc")]);
        let request = Request { head: &head, source: IpAddr::from([10, 1, 0, 1]) };
        let explained = router.explain(&request).into_iter().find(|(_, verdict)| verdict.is_ok());
        let found = router.find(&request).map(|at| Arc::as_ptr(router.route(at)));
        assert_eq!(found, explained.map(|(route, _)| Arc::as_ptr(&route)), "{path} {name}");
    }
}

#[test]
fn paths_and_grpc_names_that_no_request_has_are_refused() {
    for text in ["", "a", "/a?b", "/a#b", "/a b", "/\n"] {
        assert!(matches!(PathMatch::exact(text), Err(MatchError::Path(_))), "{text:?}");
        assert!(matches!(PathMatch::prefix(text), Err(MatchError::Path(_))), "{text:?}");
    }
    assert!(matches!(GrpcMatch::new(Some("/a"), None), Err(MatchError::GrpcName(_))));
    assert!(matches!(GrpcMatch::new(None, Some("")), Err(MatchError::GrpcName(_))));
}

fn router(routes: Vec<(&str, Match)>) -> Router {
    Router::new(routes.into_iter().map(|(name, matched)| (matched, route(name))).collect())
}

fn route(name: &str) -> Arc<Route> {
    Arc::new(Route {
        name: name.into(),
        upstream: Some(0),
        timeouts: Timeouts::default(),
        message_bytes_max: None,
        replay_bytes_max: 0,
        retry: None,
        hedge: None,
        filters: Chain::default(),
        grpc_web: Translate::No,
        stats: Arc::new(RouteStats::new(1)),
    })
}

fn path(path: Result<PathMatch, MatchError>) -> Match {
    Match { path: Some(path.expect("a good path")), ..Match::default() }
}

fn grpc(service: Option<&str>, method: Option<&str>) -> Match {
    Match { grpc: Some(GrpcMatch::new(service, method).expect("good names")), ..Match::default() }
}

fn header(name: &str, value: ValueMatch) -> (HeaderName, ValueMatch) {
    (HeaderName::new(name).expect("a good name"), value)
}

fn head(fields: &[(&str, &str)]) -> Head {
    let mut head = Head::new();
    for (name, value) in fields {
        head.push_text(name.as_bytes(), value.as_bytes(), Indexing::MayRepeat);
    }
    head
}

/// The name of the route that a request from 10.1.0.1 takes.
fn take<'r>(router: &'r Router, fields: &[(&str, &str)]) -> Option<&'r str> {
    let head = head(fields);
    let request = Request { head: &head, source: IpAddr::from([10, 1, 0, 1]) };
    found(router, &request)
}

fn found<'r>(router: &'r Router, request: &Request<'_>) -> Option<&'r str> {
    router.find(request).map(|at| &*router.route(at).name)
}
