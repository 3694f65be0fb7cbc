//! HTTP/1.1 on either side of the gateway, beside HTTP/2, with clients and servers of other makes.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use narrows_e2e::frames::{DATA, FrameClient, HEADERS, RST_STREAM, WINDOW_UPDATE};
use narrows_e2e::strict::{NoReply, read_reply};
use narrows_e2e::web::{self, Protocol, Web, connect, curl, curl_with, say};
use narrows_testkit::process::{Process, Scratch};
use narrows_testkit::servers::{python, repository};

/// What the gateway may have resident, whatever passes through it.
const MEMORY_BYTES_MAX: u64 = 64 << 20;

/// Each client over each protocol, to servers of each.
#[test]
fn clients_of_node_pass_in_all_four_combinations() {
    for server in Protocol::ALL {
        let web = Web::start(server);
        let gateway = web.gateway("", "");
        for client in Protocol::ALL {
            let script = repository().join("e2e/peers/node/web_client.js");
            let mut command = Command::new("node");
            command.arg(script).arg(client.name()).arg(gateway.address().to_string());
            succeeds(&format!("{client:?} to {server:?}"), &mut command);
        }
    }
}

#[test]
fn the_client_of_python_keeps_its_connection() {
    for server in Protocol::ALL {
        let web = Web::start(server);
        let gateway = web.gateway("", "");
        let mut command = python("web_client");
        succeeds("http.client", command.arg(gateway.address().to_string()));
    }
}

#[test]
fn curl_passes_in_all_four_combinations() {
    let scratch = Scratch::new("curl");
    let text: String = (0..200_000).map(|number| format!("{number}\n")).collect();
    let file = scratch.write("body", &text).display().to_string();
    for server in Protocol::ALL {
        let web = Web::start(server);
        let gateway = web.gateway("", "");
        for client in Protocol::ALL {
            let run = |arguments: &[&str], path: &str| {
                let output = curl(gateway.address(), client, arguments, path);
                assert!(output.status.success(), "{client:?} to {server:?} {path}: {output:?}");
                String::from_utf8(output.stdout).expect("text")
            };
            // More than a mebibyte: curl asks with Expect: 100-continue first.
            assert!(run(&["--data-binary", &format!("@{file}")], "/echo") == text);
            assert!(run(&["-T", &file], "/echo") == text);
            assert!(run(&["-H", "Transfer-Encoding: chunked", "-T", &file], "/echo") == text);
            assert!(run(&["-I"], "/x").contains(" 200"));
            assert!(run(&["-i"], "/204").contains(" 204"));
            assert!(run(&["-i"], "/304").contains(" 304"));
            assert_eq!(run(&[], "/a?b=c"), "/a?b=c");
        }
    }
}

#[test]
fn many_connections_of_clients_become_few_to_the_server() {
    let web = Web::start(Protocol::Http1);
    let gateway = web.gateway("", "");
    for _ in 0..20 {
        let mut client = connect(gateway.address());
        for turn in 0..20 {
            say(&mut client, &format!("GET /{turn} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let reply = read_reply(&mut client, "GET").expect("a reply");
            assert_eq!(reply.body, format!("/{turn}").as_bytes());
        }
    }
    let output = curl(gateway.address(), Protocol::Http1, &[], "/connections");
    let connections: u32 = String::from_utf8_lossy(&output.stdout).parse().expect("a number");
    assert!(connections < 10, "{connections}");
}

#[test]
fn requests_that_come_at_once_are_answered_in_order() {
    for server in Protocol::ALL {
        let web = Web::start(server);
        let gateway = web.gateway("", "");
        let mut client = connect(gateway.address());
        let text: String = (0..50)
            .map(|turn| match turn % 3 {
                0 => format!("GET /{turn} HTTP/1.1\r\nHost: a\r\n\r\n"),
                1 => format!("POST /{turn} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"),
                _ => format!(
                    "POST /{turn} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                     3\r\nabc\r\n0\r\n\r\n"
                ),
            })
            .collect();
        say(&mut client, &text);
        for turn in 0..50 {
            let reply = read_reply(&mut client, "GET").expect("a reply");
            assert_eq!(reply.body, format!("/{turn}").as_bytes());
        }
    }
}

#[test]
fn trailers_pass_both_ways() {
    for server in Protocol::ALL {
        let web = Web::start(server);
        let gateway = web.gateway("", "");
        let mut client = connect(gateway.address());
        say(
            &mut client,
            "POST /echo HTTP/1.1\r\nHost: a\r\nTrailer: x-trailer\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nX-Trailer: end\r\n\r\n",
        );
        let mut reply = String::new();
        client.read_to_string(&mut reply).expect("a reply");
        assert!(reply.ends_with("\r\n2\r\nok\r\n0\r\nx-trailer: end\r\n\r\n"), "{reply}");
    }
}

#[test]
fn a_client_of_http_1_0_is_answered_and_may_ask_to_go_on() {
    let web = Web::start(Protocol::Http1);
    let gateway = web.gateway("", "");
    let mut client = connect(gateway.address());
    for turn in 0..3 {
        say(&mut client, &format!("GET /{turn} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        let reply = read_reply(&mut client, "GET").expect("a reply");
        assert_eq!(reply.field("connection"), Some(&b"keep-alive"[..]));
        assert_eq!(reply.body, format!("/{turn}").as_bytes());
    }
    say(&mut client, "POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello");
    // It does not know chunks: the body ends with the connection.
    let reply = read_reply(&mut client, "POST").expect("a reply");
    assert_eq!((reply.field("transfer-encoding"), &reply.body[..]), (None, &b"hello"[..]));
    assert_eq!(read_reply(&mut client, "GET"), Err(NoReply::End));
}

#[test]
fn targets_have_each_of_their_forms() {
    for server in Protocol::ALL {
        let web = Web::start(server);
        let gateway = web.gateway("", "");
        let mut client = connect(gateway.address());
        say(&mut client, "GET http://other/x?y HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(read_reply(&mut client, "GET").expect("a reply").body, b"/x?y");
        say(&mut client, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(read_reply(&mut client, "OPTIONS").expect("a reply").body, b"*");
        say(&mut client, "GET http://other/fields HTTP/1.1\r\nHost: a\r\n\r\n");
        let fields = read_reply(&mut client, "GET").expect("a reply").body;
        let fields = String::from_utf8(fields).expect("text");
        assert!(fields.contains("\"other\"") && !fields.contains("\"a\""), "{fields}");
    }
}

#[test]
fn hints_pass_before_the_reply() {
    for server in Protocol::ALL {
        let web = Web::start(server);
        let gateway = web.gateway("", "");
        let mut client = connect(gateway.address());
        say(&mut client, "GET /hints HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let mut reply = String::new();
        client.read_to_string(&mut reply).expect("a reply");
        let (hints, rest) = reply.split_once("\r\n\r\n").expect("an interim reply");
        assert!(hints.starts_with("HTTP/1.1 103 ") && hints.contains("rel=preload"), "{hints}");
        assert!(rest.starts_with("HTTP/1.1 200 "), "{rest}");
    }
}

/// 300 MiB up and down, in each combination, and the gateway keeps none of it.
#[test]
fn large_bodies_pass_and_are_not_held() {
    const BYTES: &str = "314572800";
    for server in Protocol::ALL {
        let web = Web::start(server);
        let mut gateway = web.gateway("", "");
        for client in Protocol::ALL {
            let mut command = Command::new("head");
            command.args(["-c", BYTES, "/dev/zero"]).stdout(Stdio::piped());
            let mut zeros = command.spawn().expect("coreutils");
            let input = zeros.stdout.take().expect("it is piped").into();
            let output = curl_with(gateway.address(), client, &["-T", "-"], "/sink", input);
            let up = String::from_utf8_lossy(&output.stdout);
            assert_eq!(up, BYTES, "up from {client:?} to {server:?}: {output:?}");
            zeros.wait().expect("it was started");
            let arguments = ["-o", "/dev/null", "-w", "%{size_download}"];
            let path = format!("/source?{BYTES}");
            let output = curl(gateway.address(), client, &arguments, &path);
            let down = String::from_utf8_lossy(&output.stdout);
            assert_eq!(down, BYTES, "down to {client:?} from {server:?}: {output:?}");
        }
        let peak = gateway.process().memory_peak_bytes();
        assert!(peak <= MEMORY_BYTES_MAX, "{peak} bytes resident");
    }
}

/// Over HTTP/2 the test looks at frames: curl 7.88 and node 20 may take the reset behind such a reply for a failure.
#[test]
fn a_reply_that_comes_before_the_upload_ends_reaches_the_client() {
    let scratch = Scratch::new("early");
    let path = scratch.path().join("body");
    File::create(&path).and_then(|file| file.set_len(50 << 20)).expect("there is room");
    let path = path.display().to_string();
    for server in Protocol::ALL {
        let web = Web::start(server);
        let gateway = web.gateway("", "");
        let arguments = ["-T", &path, "-H", "Expect:", "-w", "%{http_code}"];
        let output = curl(gateway.address(), Protocol::Http1, &arguments, "/early");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "too much413", "{output:?}");
        let after = curl(gateway.address(), Protocol::Http1, &[], "/after");
        assert_eq!(after.stdout, b"/after");

        let mut client = FrameClient::connect(gateway.address());
        let stream = client.open("/early", &[]);
        client.message(stream, &[0; 10_000], false);
        let mut kinds = Vec::new();
        client.wait_for("the reset", |frame| {
            kinds.extend((frame.stream == stream).then_some(frame.kind));
            frame.kind == RST_STREAM && frame.payload == [0; 4]
        });
        kinds.dedup();
        // For a while the client may still send, so that one that does not look up gets the reply all the same.
        assert_eq!(kinds, [HEADERS, DATA, WINDOW_UPDATE, RST_STREAM]);
    }
}

#[test]
fn a_server_that_says_close_is_not_asked_again_on_that_connection() {
    let web = Web::start(Protocol::Http1);
    let gateway = web.gateway("", "");
    let mut client = connect(gateway.address());
    let mut ask = |path: &str, fields: &str| {
        say(&mut client, &format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        let reply = read_reply(&mut client, "GET").expect("a reply");
        assert_eq!(reply.field("connection"), None, "that of the server goes no further");
        String::from_utf8(reply.body).expect("text")
    };
    for _ in 0..3 {
        assert_eq!(ask("/close", ""), "bye");
    }
    assert_eq!(ask("/connections", ""), "4");
    let fields =
        ask("/fields", "Connection: keep-alive, x-secret\r\nX-Secret: 1\r\nKeep-Alive: 5\r\n");
    assert!(!fields.contains("secret") && !fields.contains("keep-alive\":"), "{fields}");
}

/// A server may close a connection that it believes idle at any time.
#[test]
fn a_request_that_meets_a_closed_connection_is_sent_again_if_that_is_safe() {
    let (server, seen) = forgetful_server();
    let gateway = web::gateway(server, Protocol::Http1, "", "");
    let mut client = connect(gateway.address());
    let mut ask = |method: &str, path: &str| {
        say(
            &mut client,
            &format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
        );
        read_reply(&mut client, method).expect("a reply").status
    };
    for turn in 0..10 {
        assert_eq!(ask("GET", &format!("/{turn}")), 200);
    }
    assert_eq!(ask("POST", "/post"), 502);
    assert_eq!(ask("POST", "/fresh"), 200);
    let seen = seen.lock().expect("nobody panics with it");
    assert_eq!(seen.iter().filter(|line| line.contains("/post")).count(), 1, "{seen:?}");
}

#[test]
fn a_reply_that_is_cut_off_is_not_taken_for_a_whole_one() {
    for server in Protocol::ALL {
        let web = Web::start(server);
        let gateway = web.gateway("", "");
        for path in ["/cut?length", "/cut?chunked"] {
            let output = curl(gateway.address(), Protocol::Http1, &[], path);
            assert_eq!(output.status.code(), Some(18), "{path} from {server:?}: {output:?}");
            let output = curl(gateway.address(), Protocol::Http2, &[], path);
            assert_eq!(output.status.code(), Some(92), "{path} from {server:?}: {output:?}");
        }
    }
}

/// The second event is sent when the client has seen the first.
#[test]
fn events_reach_the_client_as_they_come() {
    for server in Protocol::ALL {
        let web = Web::start(server);
        let gateway = web.gateway("", "");
        for client in Protocol::ALL {
            let mut command = Command::new("curl");
            command.args(["-sSN", client.of_curl()]);
            command.arg(format!("http://{}/events", gateway.address()));
            let mut events = Process::start("curl", &mut command);
            events.wait_for("event", |line| (line == "data: first").then_some(()));
            curl(gateway.address(), client, &[], "/next");
            events.wait_for("event", |line| (line == "data: second").then_some(()));
            assert!(events.wait().success());
        }
    }
}

#[test]
fn a_head_that_does_not_come_in_time_is_answered_408() {
    let web = Web::start(Protocol::Http1);
    let gateway = web.gateway("    timeouts: { parse: 200ms }\n", "");
    let mut client = connect(gateway.address());
    say(&mut client, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    let reply = read_reply(&mut client, "GET").expect("a reply");
    assert_eq!((reply.status, reply.field("connection")), (408, Some(&b"close"[..])));
    assert_eq!(read_reply(&mut client, "GET"), Err(NoReply::End));
    assert_eq!(gateway.metric("narrows_local_replies_total", "reason=\"head_timeout\""), 1.0);
}

/// A breach of a limit is answered with its status and counted for the route that the request would have taken.
#[test]
fn what_is_too_large_is_refused_and_counted_for_its_route() {
    let web = Web::start(Protocol::Http1);
    let limits = "request_line_bytes_max: 256, header_bytes_max: 2KiB, header_fields_max: 20";
    let gateway = web.gateway(&format!("    http1: {{ {limits} }}\n"), "");
    let long = "x".repeat(3_000);
    let requests = [
        (414, "request_line_too_long", format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")),
        (431, "head_too_large", format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n")),
        (
            431,
            "head_too_large",
            format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(21)),
        ),
        (400, "bad_request", "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n".to_owned()),
    ];
    for (status, reason, request) in requests {
        let labels = format!("route=\"all\",reason=\"{reason}\"");
        let before = gateway.metric("narrows_local_replies_total", &labels);
        let mut client = connect(gateway.address());
        say(&mut client, &request);
        assert_eq!(read_reply(&mut client, "GET").expect("a reply").status, status);
        assert_eq!(read_reply(&mut client, "GET"), Err(NoReply::End));
        let after = gateway.metric("narrows_local_replies_total", &labels);
        assert_eq!(after - before, 1.0, "{labels}");
    }
}

/// Nobody reads the reply any more, so nobody has to make it.
#[test]
fn a_client_that_goes_away_takes_its_request_with_it() {
    for server in Protocol::ALL {
        let mut web = Web::start(server);
        let gateway = web.gateway("", "");
        for client in Protocol::ALL {
            let mut command = Command::new("curl");
            command.args(["-sS", client.of_curl()]);
            command.arg(format!("http://{}/hang?{client:?}", gateway.address()));
            let waiting = Process::start("curl", &mut command);
            web.wait_for(&format!("hanging /hang?{client:?}"));
            drop(waiting);
            web.wait_for(&format!("gone /hang?{client:?}"));
        }
    }
}

fn succeeds(name: &str, command: &mut Command) {
    let mut client = Process::start(name, command);
    let status = client.wait();
    let printed = client.log().join("\n");
    assert!(status.success() && printed.ends_with("ok"), "{name}: {status}\n{printed}");
}

/// A server that answers one request on each connection, and closes it when the next one comes.
fn forgetful_server() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound listener has an address");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let shared = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let seen = Arc::clone(&shared);
            thread::spawn(move || forget(stream, &seen));
        }
    });
    (address, seen)
}

fn forget(mut stream: TcpStream, seen: &Mutex<Vec<String>>) {
    let lines = BufReader::new(stream.try_clone().expect("a socket can be shared")).lines();
    let mut lines = lines.map_while(Result::ok);
    for turn in 0..2 {
        let Some(first) = lines.next() else { return };
        seen.lock().expect("nobody panics with it").push(first);
        if turn == 1 || !lines.by_ref().any(|line| line.is_empty()) {
            return;
        }
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    }
}
