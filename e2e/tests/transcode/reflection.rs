//! Methods that nodes tell of themselves.

use narrows_e2e::shop::{Serve, Shop, descriptors};
use narrows_testkit::process::eventually;
use narrows_testkit::servers::{Certificate, Narrows};
use serde_json::json;

use super::support::{config, curl};

const SOURCE: &str = "reflection: { interval: 100ms }";

#[test]
fn a_node_that_comes_back_with_another_method_makes_it_callable() {
    let shop = Shop::start();
    let address = shop.address;
    let gateway = Narrows::start(&config(&shop, SOURCE, ""));
    eventually("the node is asked", || curl(&gateway, "/v1/items/1", &[]).status == 200);
    assert_eq!(curl(&gateway, "/v1/found/1", &[]).status, 404);

    drop(shop);
    eventually("it is away", || reflections(&gateway, "failed") > 0.0);
    let reply = curl(&gateway, "/v1/items/1", &[]);
    assert_eq!((reply.status, reply.json()["code"].as_u64()), (503, Some(14)));
    assert_eq!(curl(&gateway, "/v1/found/1", &[]).status, 404, "what it said still holds");

    let more = "rpc Find(GetItemRequest) returns (Item) {
        option (google.api.http) = { get: \"/v1/found/{id}\" };
    }";
    let _shop = Shop::serve(Serve { set: &descriptors(more), address, certificate: None });
    eventually("the new method is bound", || curl(&gateway, "/v1/found/1", &[]).status == 200);
    assert_eq!(curl(&gateway, "/v1/found/5", &[]).json(), json!({ "id": "5" }));
    assert!(gateway.get("/openapi/shop").body.contains("/v1/found/{id}"));
    assert_eq!(reflections(&gateway, "taken"), 2.0);
    eventually("it is asked again", || reflections(&gateway, "same") > 0.0);
}

#[test]
fn until_a_node_has_answered_calls_are_told_so() {
    let shop = Shop::start();
    let (address, set) = (shop.address, descriptors(""));
    let text = config(&shop, SOURCE, "");
    drop(shop);
    let gateway = Narrows::start(&text);
    let reply = curl(&gateway, "/v1/items/1", &[]);
    assert_eq!((reply.status, reply.kind.as_str()), (503, "application/json"));
    let message = "the methods of the upstream are not known yet";
    assert_eq!(reply.json(), json!({ "code": 14, "message": message, "details": [] }));
    assert_eq!(gateway.get("/openapi/shop").status, 503);

    let shop = Shop::serve(Serve { set: &set, address, certificate: None });
    eventually("the node is asked", || curl(&gateway, "/v1/items/1", &[]).status == 200);
    drop(shop);
    gateway.control(&["reload"]);
    let reply = curl(&gateway, "/v1/items/1", &[]);
    assert_ne!(reply.json()["message"], message, "a reload forgets nothing");
}

#[test]
fn a_node_is_asked_over_tls_as_it_is_called() {
    let certificate = Certificate::for_localhost();
    let (set, address) = (descriptors(""), ([127, 0, 0, 1], 0).into());
    let shop = Shop::serve(Serve { set: &set, address, certificate: Some(&certificate) });
    let ca = certificate.certificate().display().to_string();
    let port = shop.address.port();
    let text = config(&shop, SOURCE, "").replace(
        &format!("    endpoints: ['{}']\n", shop.address),
        &format!(
            "    endpoints: ['localhost:{port}']\n    protocol: h2\n    tls: {{ ca: {ca} }}\n"
        ),
    );
    let gateway = Narrows::start(&text);
    eventually("the node is asked", || curl(&gateway, "/v1/items/1", &[]).status == 200);
}

fn reflections(gateway: &Narrows, result: &str) -> f64 {
    gateway.metric("narrows_reflections_total", &format!("result=\"{result}\""))
}
