//! The parts of an HTTP/1.1 client that Trino's protocol needs on the loopback.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any pause of the server while it runs a test's statement.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends a request on a new connection. Returns status and body.
pub(crate) fn send(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<(u16, Vec<u8>)> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_nodelay(true)?;
    let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
    connection.write_all(head.as_bytes())?;
    connection.write_all(body)?;
    receive(&mut BufReader::new(connection))
}

fn receive(reader: &mut impl BufRead) -> io::Result<(u16, Vec<u8>)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no HTTP answer: {line:?}")))?;
    let (mut length, mut chunked) = (None, false);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = Some(value.trim().parse().map_err(io::Error::other)?),
            "transfer-encoding" => chunked = value.contains("chunked"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    if chunked {
        while let size @ 1.. = chunk_size(reader)? {
            reader.take(size).read_to_end(&mut body)?;
            reader.read_line(&mut String::new())?;
        }
    } else if let Some(length) = length {
        reader.take(length).read_to_end(&mut body)?;
    } else {
        reader.read_to_end(&mut body)?;
    }
    Ok((status, body))
}

fn chunk_size(reader: &mut impl BufRead) -> io::Result<u64> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    u64::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(answer: &str) -> (u16, String) {
        let (status, body) = receive(&mut answer.as_bytes()).unwrap();
        (status, String::from_utf8(body).unwrap())
    }

    #[test]
    fn a_body_ends_by_its_length_its_chunks_or_with_the_connection() {
        let length = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}trailing";
        assert_eq!(received(length), (200, "{}".to_owned()));
        let chunks = "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        assert_eq!(received(chunks), (503, "abcde".to_owned()));
        assert_eq!(received("HTTP/1.1 200 OK\r\n\r\nall"), (200, "all".to_owned()));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        assert!(receive(&mut "SSH-2.0\r\n".as_bytes()).is_err());
        assert!(receive(&mut "".as_bytes()).is_err());
    }
}
