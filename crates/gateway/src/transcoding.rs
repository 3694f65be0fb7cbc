//! What makes JSON into gRPC for the nodes of an upstream.
//!
//! The methods of an upstream may change while calls go on: nodes that describe themselves are asked again and
//! again. So the set in force stands behind a pointer that the control plane exchanges; a call keeps the set that
//! it was bound by. See `worker/transcode.rs` for how requests are bound.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use narrows_transcode::Transcoder;

/// JSON to gRPC for one upstream.
#[derive(Debug, Default)]
pub struct Transcoding {
    methods: ArcSwapOption<Methods>,
    /// The path at which callers get the description; `None`: nowhere.
    description_path: Option<Box<str>>,
}

/// The methods that can be called, and what is told of them.
pub struct Methods {
    /// Binds requests to them.
    pub transcoder: Transcoder,
    /// Their description in OpenAPI, as JSON.
    pub description: Box<[u8]>,
}

// === impl Transcoding ===

impl Transcoding {
    /// Without methods yet; callers get the description at this path.
    pub fn new(description_path: Option<Box<str>>) -> Self {
        Self { methods: ArcSwapOption::empty(), description_path }
    }

    /// The methods in force; `None`: they are not known yet.
    pub fn methods(&self) -> Option<Arc<Methods>> {
        self.methods.load_full()
    }

    /// Exchanges the methods for calls that come from now on.
    pub fn replace(&self, methods: Methods) {
        self.methods.store(Some(Arc::new(methods)));
    }

    /// Whether a request for this target asks for the description.
    pub fn describes_at(&self, target: &[u8]) -> bool {
        let path = target.split(|byte| *byte == b'?').next();
        self.description_path.as_deref().is_some_and(|known| path == Some(known.as_bytes()))
    }
}

// === impl Methods ===

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Methods({} bindings)", self.transcoder.bindings().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_at_its_path_whatever_the_query() {
        let transcoding = Transcoding::new(Some("/openapi.json".into()));
        assert!(transcoding.describes_at(b"/openapi.json"));
        assert!(transcoding.describes_at(b"/openapi.json?x=1"));
        assert!(!transcoding.describes_at(b"/openapi.json/"));
        assert!(!Transcoding::default().describes_at(b"/openapi.json"));
        assert!(transcoding.methods().is_none());
    }
}
