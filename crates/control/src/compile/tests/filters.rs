//! Filters: which chain a route gets, and what is wrong with an entry.

use super::*;

/// `GOOD` with these filters at the top level, of the upstream `fixed`, and of the route `rest`.
fn with(global: &str, upstream: &str, route: &str) -> String {
    GOOD.replace("stores:", &format!("filters: [{global}]\nstores:"))
        .replace("fixed: { ", &format!("fixed: {{ filters: [{upstream}], "))
        .replace("name: rest, ", &format!("name: rest, filters: [{route}], "))
}

fn chain(text: &str, route: &str) -> Vec<&'static str> {
    let compiled = compiled(text);
    let route = compiled.snapshot.router.routes().find(|found| *found.name == *route);
    let filters = route.expect("the route").filters.filters().iter();
    filters.map(|guarded| guarded.filter.name()).collect()
}

#[test]
fn global_filters_come_before_those_of_the_upstream_and_of_the_route() {
    let text = with(
        "{ headers: {} }, { cors: { origins: ['*'] }, enabled: false }",
        "{ rewrite: { path: { prefix: { from: /a, to: /b } } } }",
        "{ redirect: { scheme: https } }, { respond: {}, match: { methods: [GET] } }",
    );
    assert_eq!(chain(&text, "rest"), ["headers", "rewrite", "redirect", "respond"]);
    assert_eq!(chain(&text, "jobs"), ["headers"]);
}

#[test]
fn a_route_that_always_answers_needs_no_upstream() {
    let route = |filters: &str| {
        GOOD.replace("routes:\n", &format!("routes:\n  - {{ name: up, match: {{ path: {{ exact: /up }} }}, filters: [{filters}] }}\n"))
    };
    assert_eq!(chain(&route("{ respond: { body: ok } }"), "up"), ["respond"]);
    for filters in [
        "",
        "{ respond: {}, enabled: false }",
        "{ respond: {}, match: { methods: [GET] } }",
        "{ redirect: { scheme: https } }",
    ] {
        assert_eq!(
            errors(&route(filters)),
            [
                "c.yaml:8:5: routes[0]: the key \"upstream\" is missing, and no filter answers every \
              request"
            ],
            "{filters}"
        );
    }
}

#[test]
fn a_filter_that_is_wrong_says_where() {
    for (filter, expected) in [
        ("{ enabled: true }", "filters[0]: names no filter, such as headers or cors"),
        (
            "{ headers: {}, cors: { origins: ['*'] } }",
            "filters[0]: names several filters: cors, headers; each is an entry",
        ),
        (
            "{ compress: { types: [application/grpc+json] } }",
            "filters[0].compress.types[0]: messages of gRPC have a compression of their own",
        ),
        (
            "{ compress: { types: ['*/*'] } }",
            "filters[0].compress.types[0]: \"*/*\" is no media type, such as text/html or text/*",
        ),
        (
            "{ compress: { codings: [gzip, br, gzip] } }",
            "filters[0].compress.codings[2]: is there already",
        ),
        ("{ cors: { origins: [] } }", "filters[0].cors.origins: is empty: no page could call"),
        (
            "{ cors: { origins: ['*'], credentials: true } }",
            "filters[0].cors.credentials: with the origin *, any page could act as the user; name \
             the origins",
        ),
        (
            "{ cors: { origins: [app.example.com] } }",
            "filters[0].cors.origins[0]: \"app.example.com\" is no origin, such as \
             https://app.example.com",
        ),
        (
            "{ cors: { origins: ['https://app*.example.com'] } }",
            "filters[0].cors.origins[0]: \"https://app*.example.com\": * stands for the first \
             labels of the host alone",
        ),
        (
            "{ redirect: {} }",
            "filters[0].redirect: leads nowhere: give scheme, host, port, or path",
        ),
        (
            "{ redirect: { host: a/b } }",
            "filters[0].redirect.host: bad authority \"a/b\"; expected host, host:port, or \
             *.domain",
        ),
        (
            "{ headers: { request: { set: { Content-Length: '1' } } } }",
            "filters[0].headers.request.set.Content-Length: content-length is the gateway's own \
             and can not be edited",
        ),
        (
            "{ headers: { reply: { set: { x-a: '{jobid}' } } } }",
            "filters[0].headers.reply.set.x-a: unknown variable {jobid}; there are {header.NAME}, \
             {query.NAME}, {cookie.NAME}, {path}, {authority}, {method}, {source.ip}, \
             {grpc.service}, {grpc.method}",
        ),
        (
            "{ respond: { body: { file: nothing.html } } }",
            "filters[0].respond.body.file: can not read nothing.html: No such file or directory \
             (os error 2)",
        ),
        (
            "{ respond: { grpc_message: no } }",
            "filters[0].respond.grpc_message: needs grpc_status beside it",
        ),
        (
            "{ rewrite: { path: { whole: '/a b' } } }",
            "filters[0].rewrite.path.whole: \"/a b\" can not stand in a path: no blank, ?, or #",
        ),
    ] {
        let errors = errors(&with(filter, "", ""));
        let shown: Vec<&str> =
            errors.iter().filter_map(|error| error.split_once(": ")).map(|(_, e)| e).collect();
        assert_eq!(shown, [expected], "{filter}");
    }
}

#[test]
fn a_route_has_at_most_64_filters() {
    let many = |count: usize| vec!["{ headers: {} }"; count].join(", ");
    assert_eq!(chain(&with(&many(32), "", &many(32)), "rest").len(), 64);
    assert_eq!(
        errors(&with(&many(32), "", &many(33))),
        ["c.yaml:10:28: routes[1].filters: at most 64 filters for a route; 65 with those of its \
          upstream and the global ones"]
    );
}

/// A filter that failed before a reload has still failed.
#[test]
fn a_reload_resets_no_counter() {
    let loaded = parse(Path::new("c.yaml"), &with("{ headers: {} }", "", ""), &|_| None);
    let loaded = loaded.expect("valid");
    let first = compile(&loaded, &Previous::new(2), &mut DryStores).expect("valid");
    first.snapshot.router.route(0).filters.filters()[0].stats.of(1).add(3);
    let second = compile(&loaded, &first.next, &mut DryStores).expect("valid");
    assert_eq!(second.snapshot.router.route(0).filters.filters()[0].stats.failures(), 3);
}
