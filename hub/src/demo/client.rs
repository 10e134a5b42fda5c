//! A client of the demo's: one request, one connection, over real sockets. It knows of the protocol what is on the
//! wire.

use std::net::SocketAddr;

use handoff_kernel::json::Document;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Trouble;

/// Somebody with a token.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) hub: SocketAddr,
    pub(super) token: String,
}

/// What the hub answered.
#[derive(Debug, Clone)]
pub(super) struct Response {
    pub(super) status: u16,
    /// The `Handoff-Digest` header.
    pub(super) digest: Option<String>,
    pub(super) body: Bytes,
}

impl Response {
    /// A member of the body that is a string.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let document = Document::parse(&self.body).ok()?;
        let value = document.root().get(name)?.as_str()?;
        Some(value.into_owned())
    }

    /// The word for what came of it: the handoff's status, or the refusal.
    pub(super) fn word(&self) -> String {
        self.text("reason").filter(|_| self.status >= 400).or_else(|| self.text("status")).unwrap_or_default()
    }
}

impl Client {
    pub(super) async fn get(&self, path: &str) -> Result<Response, Trouble> {
        self.send(Request::get(path), String::new()).await
    }

    pub(super) async fn post(&self, path: &str, body: String) -> Result<Response, Trouble> {
        self.send(Request::post(path), body).await
    }

    async fn send(&self, request: hyper::http::request::Builder, body: String) -> Result<Response, Trouble> {
        let trouble = |error: &dyn std::fmt::Display| Trouble(format!("The hub cannot be reached: {error}."));
        let request = request
            .header(HOST, self.hub.to_string())
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| trouble(&error))?;
        let stream = TcpStream::connect(self.hub).await.map_err(|error| trouble(&error))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| trouble(&error))?;
        // It ends with the sender; how, shows in the answer.
        tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(|error| trouble(&error))?;
        let status = answer.status().as_u16();
        let digest = answer.headers().get("handoff-digest").and_then(|v| v.to_str().ok()).map(str::to_owned);
        let body = answer.into_body().collect().await.map_err(|error| trouble(&error))?.to_bytes();
        Ok(Response { status, digest, body })
    }
}
