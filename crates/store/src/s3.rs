//! An S3 bucket, or a prefix of one, as a store.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ServerSideEncryption};
use bytes::Bytes;

use crate::{BoxFuture, ChunkSource, Chunks, Condition, ContentTag, Kind, LIST_PAGE, Listed, Store, StoreError};
use diagnostics::causes::innermost;

/// Objects below a prefix of a bucket.
///
/// A put is one PutObject with a CRC-32 that S3 checks, so an object is there whole or not at all. The SDK repeats
/// requests that were throttled or lost; what is still [transient](StoreError::is_transient) afterwards has been tried
/// that often.
#[derive(Debug, Clone)]
pub struct S3Store {
    client: Client,
    bucket: String,
    /// Empty, or what stands before every key, with a slash at its end.
    prefix: String,
    kms_key: Option<String>,
}

/// All buckets within reach of the environment's credentials, for readers that are told of objects anywhere.
#[derive(Debug, Clone)]
pub struct S3Buckets {
    client: Client,
}

impl S3Buckets {
    /// With credentials, Region and endpoint of the environment, see [`crate::aws::sdk_config`].
    pub async fn from_environment() -> Self {
        Self { client: crate::aws::s3_client(&crate::aws::sdk_config().await) }
    }

    /// One of them, whole.
    pub fn bucket(&self, name: &str) -> S3Store {
        S3Store::new(self.client.clone(), name, "")
    }
}

impl S3Store {
    /// The store below `prefix` (empty for the whole bucket; a slash at its end makes no difference) of `bucket`.
    pub fn new(client: Client, bucket: impl Into<String>, prefix: &str) -> Self {
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        Self { client, bucket: bucket.into(), prefix, kms_key: None }
    }

    /// Has S3 encrypt what is put with this KMS key (id or ARN) and not with the bucket's default.
    pub fn with_kms_key(mut self, key: impl Into<String>) -> Self {
        self.kms_key = Some(key.into());
        self
    }

    /// [`Store::read`] of one version of an object, as a notification names it.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read_version(&self, key: &str, version: Option<&str>) -> Result<Chunks, StoreError> {
        let request = self.client.get_object().bucket(&self.bucket).key(self.full(key));
        let sent = request.set_version_id(version.map(String::from)).send().await;
        let object = sent.map_err(|error| self.failed("read", key, error))?;
        let length = object.content_length().and_then(|length| u64::try_from(length).ok());
        // Where versioning was switched off again, all that was put since has the version "null".
        let version = object.version_id.filter(|version| version != "null");
        let chunks = Chunks::new(length, S3Chunks { body: object.body, location: self.location(key) });
        Ok(chunks.with_tags(version, object.e_tag))
    }

    fn put_request(&self, key: &str, bytes: Bytes) -> PutObjectFluentBuilder {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(self.full(key))
            .content_type(content_type(key))
            .checksum_algorithm(ChecksumAlgorithm::Crc32)
            .set_server_side_encryption(self.kms_key.is_some().then_some(ServerSideEncryption::AwsKms))
            .set_ssekms_key_id(self.kms_key.clone())
            .body(ByteStream::from(bytes))
    }

    fn no_tag(&self, operation: &'static str, key: &str) -> StoreError {
        let why = "the answer has no ETag, without which nothing can be put on a condition";
        StoreError::new(Kind::Permanent, operation, &self.location(key), why)
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    fn location(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.bucket, self.prefix)
    }

    fn failed<E>(&self, operation: &'static str, key: &str, error: SdkError<E, HttpResponse>) -> StoreError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let kind = kind_of(&error);
        let message = match error.as_service_error() {
            Some(service) => {
                let status = error.raw_response().map(|response| response.status().as_u16()).unwrap_or_default();
                let code = service.code().unwrap_or("no error code");
                format!("{code} (HTTP {status}): {}", service.message().unwrap_or("S3 gives no reason"))
            }
            // "dispatch failure" says little; the innermost cause is the one to act on.
            None => format!("{error}: {}", innermost(&error)),
        };
        StoreError::new(kind, operation, &self.location(key), message).caused_by(error)
    }
}

/// What can be expected of a repetition.
fn kind_of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Kind {
    match error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Kind::Transient,
        // Without a connection: the network's fault, unless the endpoint or the credentials make no sense.
        SdkError::DispatchFailure(failure) if failure.is_user() => Kind::Permanent,
        SdkError::DispatchFailure(_) => Kind::Transient,
        SdkError::ServiceError(service) => match (service.err().code(), service.raw().status().as_u16()) {
            (Some("NoSuchKey" | "NotFound" | "NoSuchVersion"), _) => Kind::NotFound,
            (Some("PreconditionFailed"), _) | (_, 412) => Kind::Conflict,
            (Some(code), _) if TRANSIENT_CODES.contains(&code) => Kind::Transient,
            (_, 408 | 429 | 500..) => Kind::Transient,
            _ => Kind::Permanent,
        },
        _ => Kind::Permanent,
    }
}

/// Error codes of S3 that pass by themselves though their HTTP status does not say so.
const TRANSIENT_CODES: [&str; 9] = [
    "ConditionalRequestConflict",
    "ExpiredToken",
    "InternalError",
    "OperationAborted",
    "RequestTimeTooSkewed",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottlingException",
];

/// The media type of what this project puts.
fn content_type(key: &str) -> &'static str {
    match key.rsplit_once('.') {
        Some((_, "parquet")) => "application/vnd.apache.parquet",
        Some((_, "zst")) => "application/zstd",
        Some((_, "json")) => "application/json",
        _ => "application/octet-stream",
    }
}

impl Store for S3Store {
    fn put<'a>(&'a self, key: &'a str, bytes: Bytes) -> BoxFuture<'a, Result<(), StoreError>> {
        let request = self.put_request(key, bytes);
        Box::pin(async move { request.send().await.map(|_| ()).map_err(|error| self.failed("put", key, error)) })
    }

    fn put_if<'a>(
        &'a self,
        key: &'a str,
        bytes: Bytes,
        condition: Condition<'a>,
    ) -> BoxFuture<'a, Result<ContentTag, StoreError>> {
        let request = self.put_request(key, bytes);
        let request = match condition {
            Condition::Absent => request.if_none_match("*"),
            Condition::Unchanged(tag) => request.if_match(&tag.0),
        };
        Box::pin(async move {
            let put = request.send().await.map_err(|error| match self.failed("put", key, error) {
                // If-Match on a key that is no longer there.
                error if error.is_not_found() && condition != Condition::Absent => {
                    StoreError::new(Kind::Conflict, "put", &self.location(key), "the object is gone").caused_by(error)
                }
                error => error,
            })?;
            put.e_tag.map(ContentTag).ok_or_else(|| self.no_tag("put", key))
        })
    }

    fn get_tagged<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(Bytes, ContentTag), StoreError>> {
        let request = self.client.get_object().bucket(&self.bucket).key(self.full(key));
        Box::pin(async move {
            let object = request.send().await.map_err(|error| self.failed("get", key, error))?;
            let tag = object.e_tag.map(ContentTag).ok_or_else(|| self.no_tag("get", key))?;
            let length = object.content_length.and_then(|length| u64::try_from(length).ok());
            let chunks = Chunks::new(length, S3Chunks { body: object.body, location: self.location(key) });
            Ok((chunks.whole(key).await?, tag))
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let request = self.client.delete_object().bucket(&self.bucket).key(self.full(key));
        Box::pin(async move {
            match request.send().await.map_err(|error| self.failed("remove", key, error)) {
                // Amazon's S3 says nothing of it; other stores of its kind may.
                Err(error) if error.is_not_found() => Ok(()),
                removed => removed.map(|_| ()),
            }
        })
    }

    fn read<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Chunks, StoreError>> {
        Box::pin(self.read_version(key, None))
    }

    fn list<'a>(&'a self, prefix: &'a str, after: &'a str) -> BoxFuture<'a, Result<Vec<Listed>, StoreError>> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(self.full(prefix))
            .set_start_after((!after.is_empty()).then(|| self.full(after)))
            .max_keys(LIST_PAGE as i32);
        Box::pin(async move {
            let page = request.send().await.map_err(|error| self.failed("list", prefix, error))?;
            let listed = page.contents.unwrap_or_default().into_iter().filter_map(|object| {
                let key = object.key?.strip_prefix(&self.prefix)?.to_owned();
                let bytes = object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
                Some(Listed { key, bytes, tag: object.e_tag })
            });
            Ok(listed.collect())
        })
    }

    fn describe(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix).trim_end_matches('/').to_owned()
    }
}

struct S3Chunks {
    body: ByteStream,
    location: String,
}

impl ChunkSource for S3Chunks {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, StoreError>> {
        Box::pin(async move {
            self.body.try_next().await.map_err(|error| {
                StoreError::new(Kind::Transient, "read", &self.location, "the connection was interrupted")
                    .caused_by(error)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list_all;
    use aws_sdk_s3::config::retry::RetryConfig;
    use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};

    /// What the server saw: the request line and headers, in lower case, and the body.
    #[derive(Debug, Clone, Default)]
    struct Request {
        head: Vec<String>,
        body: Vec<u8>,
    }

    impl Request {
        fn header(&self, name: &str) -> Option<&str> {
            self.head.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        }
    }

    /// A server on this machine that answers every connection with the next of `answers`, and keeps what it was asked.
    fn serve(answers: Vec<String>) -> (S3Store, Arc<Mutex<Vec<Request>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                seen.lock().unwrap().push(receive(&mut stream));
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .endpoint_url(endpoint)
            .force_path_style(true)
            .retry_config(RetryConfig::standard().with_max_attempts(1))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        (S3Store::new(Client::from_conf(config), "bucket", "/some/prefix/"), requests)
    }

    fn receive(stream: &mut TcpStream) -> Request {
        let mut reader = BufReader::new(stream);
        let mut request = Request::default();
        for line in reader.by_ref().lines() {
            match line.unwrap() {
                line if line.is_empty() => break,
                line => request.head.push(match line.split_once(": ") {
                    Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
                    None => line,
                }),
            }
        }
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        request.body.resize(length, 0);
        reader.read_exact(&mut request.body).unwrap();
        request
    }

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    fn refusal(status: &str, code: &str) -> String {
        answer(status, &format!("<Error><Code>{code}</Code><Message>because</Message></Error>"))
    }

    #[tokio::test]
    async fn a_put_is_one_request_with_type_checksum_and_key() {
        let (store, requests) = serve(vec![answer("200 OK", "")]);
        let store = store.with_kms_key("alias/lake");
        store.put("ext/a b/x.zstd.parquet", Bytes::from_static(b"123456789")).await.unwrap();
        let request = requests.lock().unwrap()[0].clone();
        assert!(request.head[0].starts_with("PUT /bucket/some/prefix/ext/a%20b/x.zstd.parquet"), "{}", request.head[0]);
        assert_eq!(request.body, b"123456789");
        assert_eq!(request.header("content-type"), Some("application/vnd.apache.parquet"));
        // CRC-32 of "123456789" is cbf43926.
        assert_eq!(request.header("x-amz-checksum-crc32"), Some("y/Q5Jg=="));
        assert_eq!(request.header("x-amz-server-side-encryption"), Some("aws:kms"));
        assert_eq!(request.header("x-amz-server-side-encryption-aws-kms-key-id"), Some("alias/lake"));
    }

    #[tokio::test]
    async fn a_condition_is_sent_and_its_failure_is_a_conflict() {
        let done = answer("200 OK\r\netag: \"e1\"", "");
        let (store, requests) = serve(vec![
            done.clone(),
            answer("200 OK\r\netag: \"e1\"\r\nx-amz-version-id: v1", "hello"),
            done,
            refusal("412 Precondition Failed", "PreconditionFailed"),
            refusal("404 Not Found", "NoSuchKey"),
            refusal("409 Conflict", "ConditionalRequestConflict"),
        ]);
        let put = async |condition| store.put_if("x", Bytes::from_static(b"hello"), condition).await;
        let made = put(Condition::Absent).await.unwrap();
        let (bytes, tag) = store.get_tagged("x").await.unwrap();
        // Not the version: S3 compares ETags.
        assert_eq!((bytes, &tag), (Bytes::from_static(b"hello"), &made));
        put(Condition::Unchanged(&tag)).await.unwrap();
        assert!(put(Condition::Unchanged(&tag)).await.unwrap_err().is_conflict());
        assert!(put(Condition::Unchanged(&tag)).await.unwrap_err().is_conflict());
        let race = put(Condition::Absent).await.unwrap_err();
        assert!(race.is_transient() && !race.is_conflict(), "{race}");
        let requests = requests.lock().unwrap();
        assert_eq!((requests[0].header("if-none-match"), requests[0].header("if-match")), (Some("*"), None));
        assert_eq!((requests[2].header("if-none-match"), requests[2].header("if-match")), (None, Some("\"e1\"")));
    }

    #[tokio::test]
    async fn an_object_is_read_whole_and_in_the_version_asked_for() {
        let older = answer("200 OK\r\netag: \"e1\"\r\nx-amz-version-id: v 1", "older");
        let (store, requests) = serve(vec![answer("200 OK\r\netag: \"e1\"", "hello"), older]);
        let chunks = store.read("x").await.unwrap();
        assert_eq!(chunks.tag(), Some("\"e1\""));
        let mut chunks = store.read_version("x", Some("v 1")).await.unwrap();
        assert_eq!((chunks.tag(), chunks.version(), chunks.etag()), (Some("v 1"), Some("v 1"), Some("\"e1\"")));
        assert_eq!(chunks.length(), Some(5));
        assert_eq!(chunks.next().await.unwrap().unwrap(), Bytes::from_static(b"older"));
        assert!(requests.lock().unwrap()[1].head[0].contains("versionId=v%201"));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error_and_may_be_tried_again() {
        let (store, _) = serve(vec!["HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf".to_owned()]);
        let error = store.get("x").await.unwrap_err();
        assert!(error.is_transient(), "{error}");
    }

    #[tokio::test]
    async fn an_object_is_removed_and_a_missing_one_counts_as_removed() {
        let gone = "HTTP/1.1 204 No Content\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned();
        let (store, requests) =
            serve(vec![gone, refusal("404 Not Found", "NoSuchKey"), refusal("403 Forbidden", "AccessDenied")]);
        store.remove("q/a").await.unwrap();
        store.remove("q/a").await.unwrap();
        assert!(!store.remove("q/a").await.unwrap_err().is_transient());
        let line = requests.lock().unwrap()[0].head[0].clone();
        assert!(line.starts_with("DELETE /bucket/some/prefix/q/a?"), "{line}");
    }

    #[tokio::test]
    async fn lists_go_on_where_they_ended_and_name_keys_without_the_prefix() {
        let page = |keys: &[&str]| {
            let contents = keys.iter().map(|key| {
                format!("<Contents><Key>some/prefix/{key}</Key><ETag>&quot;e1&quot;</ETag><Size>7</Size></Contents>")
            });
            answer("200 OK", &format!("<ListBucketResult>{}</ListBucketResult>", contents.collect::<String>()))
        };
        let (store, requests) = serve(vec![page(&["q/a", "q/b"]), page(&["q/c"]), page(&[])]);
        let listed = list_all(&store, "q/").await.unwrap();
        assert_eq!(
            listed.iter().map(|listed| (listed.key.as_str(), listed.bytes)).collect::<Vec<_>>(),
            [("q/a", 7), ("q/b", 7), ("q/c", 7)]
        );
        assert_eq!(listed[0].tag.as_deref(), Some("\"e1\""));
        let lines: Vec<_> = requests.lock().unwrap().iter().map(|request| request.head[0].clone()).collect();
        assert!(lines[0].contains("prefix=some%2Fprefix%2Fq%2F") && !lines[0].contains("start-after"));
        assert!(lines[1].contains("start-after=some%2Fprefix%2Fq%2Fb"), "{}", lines[1]);
    }

    #[tokio::test]
    async fn errors_say_whether_to_try_again() {
        for (status, code, transient, not_found) in [
            ("503 Slow Down", "SlowDown", true, false),
            ("500 Oops", "InternalError", true, false),
            ("502 Bad Gateway", "", true, false),
            ("400 Bad Request", "RequestTimeout", true, false),
            ("400 Bad Request", "ExpiredToken", true, false),
            ("403 Forbidden", "AccessDenied", false, false),
            ("404 Not Found", "NoSuchBucket", false, false),
            ("404 Not Found", "NoSuchKey", false, true),
        ] {
            let (store, _) = serve(vec![refusal(status, code), refusal(status, code)]);
            let put = store.put("x", Bytes::new()).await.unwrap_err();
            assert_eq!((put.is_transient(), put.is_not_found()), (transient, not_found), "{put}");
            let get = store.get("x").await.unwrap_err();
            assert_eq!((get.is_transient(), get.is_not_found()), (transient, not_found), "{get}");
        }
        let (store, _) = serve(vec![refusal("403 Forbidden", "AccessDenied")]);
        let error = store.put("x", Bytes::new()).await.unwrap_err();
        assert_eq!(error.to_string(), "put s3://bucket/some/prefix/x: AccessDenied (HTTP 403): because");
    }

    #[tokio::test]
    async fn an_endpoint_that_does_not_answer_is_worth_another_try() {
        let (store, _) = serve(vec![]);
        let error = store.put("x", Bytes::new()).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(error.to_string().contains("onnection"), "{error}");
    }

    #[test]
    fn a_prefix_may_be_written_with_or_without_slashes() {
        let (store, _) = serve(vec![]);
        assert_eq!(store.describe(), "s3://bucket/some/prefix");
        assert_eq!(S3Store::new(store.client, "bucket", "").describe(), "s3://bucket");
    }
}
