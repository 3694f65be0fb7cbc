//! `narrows route`: where jobs run.
//!
//! A running gateway is asked through its admin listener, because it holds the file of the store open. When
//! none runs and `-c` says where the file is, the file is opened directly.

use std::path::Path;

use narrows_control::config::{self, Config, Period};
use narrows_control::stores::embedded::{Embedded, Entry};
use narrows_control::{daemon, offline};
use serde_json::{Value, json};

use super::{print, print_json};
use crate::args::{ADMIN, Route, StoreArgs};
use crate::client::{Admin, segment};
use crate::outcome::{Failure, Outcome};

/// Where the mappings are.
enum Place {
    Gateway(Admin, String),
    File(Box<Config>),
}

pub(super) fn route(config: Option<&Path>, verb: &Route) -> Outcome {
    let args = verb.store();
    let result = match place(config, args)? {
        Place::Gateway(admin, store) => remote(&admin, &store, verb)?,
        Place::File(config) => local(&config, verb)?,
    };
    if args.json {
        print_json(&result)
    } else {
        print(&text(verb, &result))
    }
    Ok(())
}

fn place(config: Option<&Path>, args: &StoreArgs) -> Result<Place, Failure> {
    let loaded = match (config, &args.admin) {
        (Some(path), None) => Some(config::load(path)?.config),
        _ => None,
    };
    let admin = match (&args.admin, &loaded) {
        (Some(admin), _) => Some(admin.clone()),
        (None, Some(config)) => {
            let admin = Some(&config.admin).filter(|admin| admin.enabled);
            admin.map(|admin| admin.address.to_string())
        }
        (None, None) => Some(ADMIN.to_owned()),
    };
    let found = admin.map(|address| {
        let admin = Admin::new(&address);
        admin.get("/stores").and_then(|stores| choose(&stores, args)).map(|store| (admin, store))
    });
    match (found, loaded) {
        (Some(Ok((admin, store))), _) => Ok(Place::Gateway(admin, store)),
        (Some(Err(Failure::Unreachable(_))) | None, Some(config)) => {
            Ok(Place::File(Box::new(config)))
        }
        (Some(Err(failure)), _) => Err(failure),
        (None, None) => Err(Failure::Usage("name a gateway with --admin or a file with -c".into())),
    }
}

/// The store of the gateway that is meant.
fn choose(stores: &Value, args: &StoreArgs) -> Result<String, Failure> {
    if let Some(store) = &args.store {
        return Ok(store.clone());
    }
    let stores = stores.as_array().map(Vec::as_slice).unwrap_or_default();
    let embedded = stores.iter().filter(|store| store["kind"] == "embedded");
    let names = embedded.filter_map(|store| store["store"].as_str()).collect::<Vec<_>>();
    offline::choose(&names, None).map(str::to_owned).map_err(Failure::Usage)
}

fn remote(admin: &Admin, store: &str, verb: &Route) -> Result<Value, Failure> {
    let routes = format!("/stores/{}/routes", segment(store));
    match verb {
        Route::Set { key, target, ttl, .. } => {
            let mut body = json!({ "target": target });
            if let Some(ttl) = ttl {
                body["ttl"] = json!(ttl);
            }
            admin.call("PUT", &format!("{routes}/{}", segment(key)), Some(&body))
        }
        Route::Get { key, .. } => admin.get(&format!("{routes}/{}", segment(key))),
        Route::Del { key, .. } => admin.call("DELETE", &format!("{routes}/{}", segment(key)), None),
        Route::List { prefix, after, limit, .. } => {
            let mut query = format!("?limit={limit}&prefix={}", segment(prefix));
            if let Some(after) = after {
                query.push_str(&format!("&after={}", segment(after)));
            }
            admin.get(&format!("{routes}{query}"))
        }
    }
}

fn local(config: &Config, verb: &Route) -> Result<Value, Failure> {
    let runtime = daemon::control_runtime().map_err(Failure::refused)?;
    runtime.block_on(async {
        let store = offline::open_embedded(config, verb.store().store.as_deref());
        edit(&store.map_err(Failure::refused)?, verb).await
    })
}

async fn edit(store: &Embedded, verb: &Route) -> Result<Value, Failure> {
    match verb {
        Route::Set { key, target, ttl, .. } => {
            let ttl = ttl.as_deref().map(str::parse::<Period>).transpose();
            let ttl = ttl.map_err(|error| Failure::Usage(error.to_string()))?.map(|ttl| ttl.0);
            store.set(key.as_bytes(), target, ttl).await.map_err(Failure::refused)?;
            Ok(json!({ "key": key, "target": target.trim() }))
        }
        Route::Get { key, .. } => {
            let entry = store.get(key.as_bytes()).map_err(Failure::refused)?;
            let unknown = || Failure::Refused(format!("{key:?} is not in the store"));
            entry.as_ref().map(mapping).ok_or_else(unknown)
        }
        Route::Del { key, .. } => {
            let removed = store.del(key.as_bytes()).await.map_err(Failure::refused)?;
            Ok(json!({ "key": key, "removed": removed }))
        }
        Route::List { prefix, after, limit, .. } => {
            let after = after.as_deref().map(str::as_bytes);
            let entries = store.list(prefix.as_bytes(), after, *limit).map_err(Failure::refused)?;
            Ok(entries.iter().map(mapping).collect())
        }
    }
}

fn mapping(entry: &Entry) -> Value {
    let key = String::from_utf8_lossy(&entry.key);
    json!({ "key": key, "target": entry.target, "expires": entry.expires })
}

fn text(verb: &Route, result: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().escape_debug().to_string();
    let line = |entry: &Value| match entry["expires"].as_u64() {
        Some(expires) => {
            format!("{}\t{}\texpires {expires}\n", word(&entry["key"]), word(&entry["target"]))
        }
        None => format!("{}\t{}\n", word(&entry["key"]), word(&entry["target"])),
    };
    match verb {
        Route::Set { .. } => line(result),
        Route::Get { .. } => format!("{}\n", word(&result["target"])),
        Route::Del { .. } if result["removed"] == Value::Bool(true) => "removed\n".to_owned(),
        Route::Del { .. } => "was not there\n".to_owned(),
        Route::List { .. } => result.as_array().into_iter().flatten().map(line).collect(),
    }
}

// === impl Route ===

impl Route {
    fn store(&self) -> &StoreArgs {
        match self {
            Self::Set { store, .. }
            | Self::Get { store, .. }
            | Self::Del { store, .. }
            | Self::List { store, .. } => store,
        }
    }
}
