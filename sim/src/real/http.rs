//! A plain HTTP/1.1 client over one socket, which blocks: what it sends and reads is visible here, and it shares no code
//! with the server under test.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// A server that says nothing for this long has hung: longer than any poll may wait (50 s).
const SILENCE: Duration = Duration::from_secs(90);

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// By lower-case name; of a repeated one the last.
    pub headers: BTreeMap<String, String>,
    /// The whole body, its chunks put together.
    pub body: Vec<u8>,
}

impl Response {
    /// A header's value, "" when absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(&name.to_ascii_lowercase()).map_or("", String::as_str)
    }

    /// The body as text, for messages and assertions.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is none; the message shows the whole answer.
    pub fn json(&self) -> io::Result<serde_json::Value> {
        serde_json::from_slice(&self.body).map_err(|error| wrong(format!("JSON ({error}): {self:?}")))
    }
}

/// Sends one request on a connection of its own and reads the whole answer.
///
/// # Errors
/// Those of the socket, and an answer that is cut short or no HTTP. The server may have got the request all the same.
pub fn request(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Response> {
    let close = [&[("connection", "close")], headers].concat();
    let head = head(to, method, path, &close, body.len());
    let mut stream = connect(to)?;
    // A server may answer and close before it has read everything (413): then the answer is still the answer.
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    match (read_response(&mut BufReader::new(stream), method), sent) {
        (Ok(response), _) => Ok(response),
        (Err(_), Err(sending)) => Err(sending),
        (Err(reading), Ok(())) => Err(reading),
    }
}

/// A connection that is kept: one request after the other. After an error it is of no use any more.
#[derive(Debug)]
pub struct Connection {
    to: SocketAddr,
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn open(to: SocketAddr) -> io::Result<Self> {
        Ok(Self { to, stream: BufReader::new(connect(to)?) })
    }

    /// Waits for no more than this long, when it waits for more of an answer.
    ///
    /// # Errors
    /// Those of the socket; a patience of zero is one.
    pub fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.stream.get_ref().set_read_timeout(Some(patience))
    }

    /// Sends one request. From here on, whatever happens, the server may have got it.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<()> {
        let mut bytes = head(self.to, method, path, headers, body.len()).into_bytes();
        bytes.extend_from_slice(body);
        self.stream.get_mut().write_all(&bytes)
    }

    /// Waits until the answer to what was sent last has begun to come, and reads nothing of it: whoever drops the
    /// connection now has lost an answer that was given.
    ///
    /// # Errors
    /// Those of the socket, and that no answer comes.
    pub fn answered(&mut self) -> io::Result<()> {
        if self.stream.fill_buf()?.is_empty() { Err(wrong("an answer, and not the end")) } else { Ok(()) }
    }

    /// Reads the whole answer to what was sent last.
    ///
    /// # Errors
    /// Those of the socket, and an answer that is cut short or no HTTP.
    pub fn receive(&mut self, method: &str) -> io::Result<Response> {
        read_response(&mut self.stream, method)
    }
}

fn head(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], length: usize) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if length > 0 || method != "GET" {
        head.push_str(&format!("content-length: {length}\r\n"));
    }
    head.push_str("\r\n");
    head
}

/// Sends these bytes, whatever they are, ends the sending side, and gives back all that comes.
///
/// # Errors
/// Those of the socket, when nothing came.
pub fn raw(to: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connect(to)?;
    stream.write_all(bytes)?;
    stream.shutdown(Shutdown::Write)?;
    rest(stream)
}

/// The same, but the sending side stays open: a server may take its end for that of the client, and not answer. The
/// bytes must ask for the connection to be closed.
///
/// # Errors
/// Those of the socket, when nothing came.
pub fn raw_and_open(to: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = connect(to)?;
    stream.write_all(bytes)?;
    rest(stream)
}

/// Sends these bytes, which are two requests, tells when the first is answered, and gives back what comes then.
///
/// # Errors
/// Those of the socket, and a first answer that is cut short or no HTTP.
pub fn after_the_first(to: SocketAddr, bytes: &[u8], told: &Sender<()>) -> io::Result<Vec<u8>> {
    let mut stream = connect(to)?;
    stream.write_all(bytes)?;
    let mut stream = BufReader::new(stream);
    read_response(&mut stream, "GET")?;
    // Whoever does not listen any more has failed already.
    let _ = told.send(());
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    Ok(all)
}

fn rest(mut stream: TcpStream) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Err(e) if all.is_empty() => Err(e),
        Ok(_) | Err(_) => Ok(all),
    }
}

fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads one response to a request by `method`: by chunks, by length, or to the end.
///
/// # Errors
/// Those of the reader, and an answer that is cut short or no HTTP.
pub fn read_response(from: &mut impl BufRead, method: &str) -> io::Result<Response> {
    let first = line(from)?;
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .ok_or_else(|| wrong(format!("a status line: {first:?}")))?;
    let headers = read_headers(from)?;
    let mut body = Vec::new();
    let chunked = headers.get("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked"));
    if method == "HEAD" || status == 204 || status == 304 {
        // These have no body, whatever their headers say.
    } else if chunked {
        read_chunks(from, &mut body)?;
    } else if let Some(length) = headers.get("content-length") {
        let length = length.parse().map_err(|_| wrong(format!("a length: {length:?}")))?;
        from.take(length).read_to_end(&mut body)?;
        if u64::try_from(body.len()).ok() != Some(length) {
            return Err(wrong(format!("{length} bytes of body, got {}", body.len())));
        }
    } else {
        from.read_to_end(&mut body)?;
    }
    Ok(Response { status, headers, body })
}

fn read_headers(from: &mut impl BufRead) -> io::Result<BTreeMap<String, String>> {
    let mut headers = BTreeMap::new();
    loop {
        let text = line(from)?;
        if text.is_empty() {
            return Ok(headers);
        }
        let (name, value) = text.split_once(':').ok_or_else(|| wrong(format!("a header: {text:?}")))?;
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

fn read_chunks(from: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let text = line(from)?;
        let digits = text.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| wrong(format!("a chunk size: {text:?}")))?;
        if size == 0 {
            read_headers(from)?;
            return Ok(());
        }
        let start = body.len();
        body.resize(start + size, 0);
        from.read_exact(&mut body[start..])?;
        if !line(from)?.is_empty() {
            return Err(wrong("the end of a chunk"));
        }
    }
}

/// One line without its CRLF; the end of the stream is an error.
fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    from.read_line(&mut text)?;
    match text.strip_suffix("\r\n") {
        Some(text) => Ok(text.to_owned()),
        None => Err(wrong(format!("a line that ends in CRLF: {text:?}"))),
    }
}

fn wrong(expected: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("expected {expected}"))
}
