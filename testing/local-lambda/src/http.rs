//! As much of an HTTP/1.1 server as the AWS clients need. What stands in for a service of AWS is a function from
//! [`Request`] to [`Response`].

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `GET`, `PUT` and so on.
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    /// Names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl Request {
    /// The value of a header; its name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Headers besides the body's length.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Ends the connection after so many bytes of the body.
    pub cut_after: Option<usize>,
}

impl Response {
    /// An answer with a body.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), ..Self::default() }
    }

    /// The same with a header more.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Answers requests with `answer` on a free port of the loopback, each connection on a thread of its own, until the
/// process ends. No answer ends the connection.
///
/// # Errors
/// There is no port.
pub fn serve(answer: impl Fn(Request) -> Option<Response> + Send + Sync + 'static) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            // A connection ends as its client wants; there is nobody to tell.
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

/// The next request; none once the client has closed.
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
