//! Calls whose head is written by hand and whose reply is seen as it came: which fields the head had, and
//! whether there were trailers. The h2 crate does the framing.

use std::net::SocketAddr;

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use tokio::net::TcpStream;

/// A connection for such calls.
#[derive(Debug)]
pub struct WireClient {
    requests: h2::client::SendRequest<Bytes>,
}

/// A reply as it came.
#[derive(Debug)]
pub struct WireReply {
    /// HTTP status.
    pub status: u16,
    /// The fields of the head.
    pub head: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The trailers; `None` when the head ended the stream or nothing came behind the body.
    pub trailers: Option<HeaderMap>,
}

// === impl WireClient ===

impl WireClient {
    /// Connects in plaintext.
    ///
    /// # Panics
    ///
    /// When nothing speaks HTTP/2 there.
    pub async fn connect(target: SocketAddr) -> Self {
        let stream = TcpStream::connect(target).await.expect("the target accepts");
        let (requests, connection) =
            h2::client::handshake(stream).await.expect("the target speaks HTTP/2");
        // The outcome of the connection shows in its calls.
        tokio::spawn(async { connection.await.ok() });
        Self { requests }
    }

    /// A gRPC call with one message; `fields` go behind the usual ones.
    ///
    /// # Errors
    ///
    /// The reset or the end of the connection, when one came in place of a reply.
    pub async fn grpc(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        message: &[u8],
    ) -> Result<WireReply, h2::Error> {
        let mut body = BytesMut::with_capacity(message.len() + 5);
        body.put_u8(0);
        body.put_u32(u32::try_from(message.len()).expect("a message of a test is small"));
        body.put_slice(message);
        let usual = [("content-type", "application/grpc"), ("te", "trailers")];
        self.request("POST", path, &[&usual, fields].concat(), body.freeze()).await
    }

    /// Any request with a body.
    ///
    /// # Errors
    ///
    /// The reset or the end of the connection, when one came in place of a reply.
    ///
    /// # Panics
    ///
    /// When method, path or fields can not be sent.
    pub async fn request(
        &self,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: Bytes,
    ) -> Result<WireReply, h2::Error> {
        let mut request =
            http::Request::builder().method(method).uri(format!("http://localhost{path}"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).expect("a valid head");
        let mut requests = self.requests.clone().ready().await?;
        let (reply, mut sender) = requests.send_request(request, body.is_empty())?;
        if !body.is_empty() {
            sender.send_data(body, true)?;
        }
        let (head, mut stream) = reply.await?.into_parts();
        let mut body = BytesMut::new();
        while let Some(data) = stream.data().await {
            let data = data?;
            stream.flow_control().release_capacity(data.len())?;
            body.put_slice(&data);
        }
        let trailers = stream.trailers().await?;
        Ok(WireReply {
            status: head.status.as_u16(),
            head: head.headers,
            body: body.freeze(),
            trailers,
        })
    }
}

// === impl WireReply ===

impl WireReply {
    /// `grpc-status`, from the trailers or, of a reply that is a head only, from there.
    pub fn grpc_status(&self) -> Option<&str> {
        self.field("grpc-status")
    }

    /// `grpc-message`, percent-encoded as it came.
    pub fn grpc_message(&self) -> &str {
        self.field("grpc-message").unwrap_or("")
    }

    fn field(&self, name: &str) -> Option<&str> {
        let fields = self.trailers.as_ref().unwrap_or(&self.head);
        fields.get(name).and_then(|value| value.to_str().ok())
    }
}
