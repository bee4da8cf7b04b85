//! The parts of an HTTP/1.1 server that AWS clients need. A local AWS service is a function from [`Request`] to [`Response`].

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET`, `PUT` and so on.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header, whose name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// A response.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Headers, without `content-length`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Ends the connection after this many bytes of the body.
    pub cut_after: Option<usize>,
}

impl Response {
    /// A response with a body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Answers requests with `answer` on a free port of the loopback until the process ends. Each connection has its own thread.
/// Without an answer, the connection breaks.
///
/// # Errors
/// No port is free.
pub fn serve(answer: impl Fn(Request) -> Option<Response> + Send + Sync + 'static) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            // The client may end a connection at any time. Errors cannot be reported here.
            std::thread::spawn(move || drop(converse(&connection, answer.as_ref())));
        }
    });
    Ok(address)
}

fn converse(connection: &TcpStream, answer: &dyn Fn(Request) -> Option<Response>) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut reader = BufReader::new(connection);
    while let Some(request) = receive(&mut reader)? {
        let Some(response) = answer(request) else { return Ok(()) };
        let mut head = format!("HTTP/1.1 {} -\r\ncontent-length: {}\r\n", response.status, response.body.len());
        for (name, value) in &response.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let sent = response.cut_after.unwrap_or(response.body.len());
        let mut connection = connection;
        connection.write_all(head.as_bytes())?;
        connection.write_all(&response.body[..sent])?;
        if sent < response.body.len() {
            return connection.shutdown(std::net::Shutdown::Both);
        }
    }
    Ok(())
}

/// The next request; `None` if the client has closed the connection.
fn receive(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let mut next = || words.next().unwrap_or_default().to_owned();
    let mut request = Request { method: next(), target: next(), ..Request::default() };
    let (mut length, mut chunked) = (0, false);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let (name, value) = (name.to_ascii_lowercase(), value.trim().to_owned());
        match name.as_str() {
            "content-length" => length = value.parse().map_err(io::Error::other)?,
            "transfer-encoding" => chunked = value.contains("chunked"),
            _ => {}
        }
        request.headers.push((name, value));
    }
    if chunked {
        while let size @ 1.. = chunk_size(reader)? {
            reader.take(size).read_to_end(&mut request.body)?;
            reader.read_line(&mut String::new())?;
        }
        reader.read_line(&mut String::new())?;
    } else {
        reader.take(length).read_to_end(&mut request.body)?;
    }
    Ok(Some(request))
}

fn chunk_size(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    u64::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16).map_err(io::Error::other)
}
