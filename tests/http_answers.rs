//! What clients see on the wire: broken bodies, HEAD, OPTIONS, panics, header rules. Over real connections, since only
//! those show how an answer ends.

#![expect(clippy::unwrap_used, reason = "a test that cannot set itself up has failed")]

use std::future::ready;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use mortar::error;
use mortar::http::stats::Traffic;
use mortar::http::{Cors, CorsSettings, Edge, EdgeSettings, RequestId};
use mortar::respond::{self, Extras, HeaderRule, HeaderRules};
use mortar_actors::{Body, ByteStream, EntityTag, Fault, FaultKind, Fetched, ObjectMeta, Rendition};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Longest wait for something that must happen.
const LIMIT: Duration = Duration::from_secs(20);

/// A server with one handler for each way an answer can go.
struct Server {
    address: std::net::SocketAddr,
    traffic: Traffic,
    /// Receives one message for each object body that is closed.
    closed: mpsc::UnboundedReceiver<()>,
    handle: actix_web::dev::ServerHandle,
}

/// Tells when the source of a body is let go.
struct Source(mpsc::UnboundedSender<()>);

impl Drop for Source {
    fn drop(&mut self) {
        // A test that has ended does not listen any more.
        let _ = self.0.send(());
    }
}

impl Server {
    async fn start() -> Self {
        let (closed_sender, closed) = mpsc::unbounded_channel();
        let traffic = Traffic::default();
        let rule = HeaderRule {
            status_codes: vec![200, 404, 500],
            override_existing: false,
            values: vec![("X-Rule".to_owned(), "kept".to_owned())],
        };
        let edge = Edge::new(EdgeSettings {
            rules: HeaderRules::new(&[rule]).unwrap(),
            cors: Cors::new(&CorsSettings::default()).unwrap(),
            access_log: true,
            traffic: traffic.clone(),
        });
        let server = HttpServer::new(move || {
            App::new()
                .wrap(edge.clone())
                .app_data(web::Data::new(closed_sender.clone()))
                .route("/picture", web::route().to(picture))
                .route("/object/{kind}", web::route().to(object))
                .route("/panic", web::get().to(panics_at_once))
                .default_service(web::to(missing))
        })
        .workers(1)
        .tcp_nodelay(true)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { address, traffic, closed, handle }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends requests on one connection that the last of them closes, and reads all that comes back.
    async fn talk(&self, requests: &str) -> String {
        let mut connection = self.connect().await;
        connection.write_all(requests.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(LIMIT, connection.read_to_end(&mut answer)).await;
        // A connection that is reset has ended, too; what arrived before counts.
        let _ = read.expect("the connection ends in time");
        String::from_utf8(answer).unwrap()
    }

    async fn get(&self, path: &str, headers: &str) -> String {
        self.talk(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")).await
    }

    async fn a_source_is_closed(&mut self) {
        tokio::time::timeout(LIMIT, self.closed.recv()).await.expect("the source is closed in time");
    }

    async fn stop(self) {
        self.handle.stop(false).await;
    }
}

async fn picture(request: HttpRequest) -> HttpResponse {
    let picture = Rendition {
        body: Bytes::from(vec![b'p'; 1_000_000]),
        content_type: "image/png".to_owned(),
        etag: EntityTag::new("v1"),
        last_modified: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        width: Some(4),
        height: Some(3),
    };
    respond::rendition(&request, &picture, Extras::default())
}

/// Objects of 1,000 bytes that keep their word or do not.
async fn object(
    request: HttpRequest,
    kind: web::Path<String>,
    closed: web::Data<mpsc::UnboundedSender<()>>,
) -> HttpResponse {
    let chunk = || Ok(Bytes::from_static(&[b'o'; 500]));
    let two_chunks = stream::iter([chunk(), chunk()]);
    let broken = |ending| stream::iter([chunk()]).chain(after_a_pause(ending));
    let failure = Err(Fault::new(FaultKind::Upstream, "reset").caused_by("scripted"));
    let (length, chunks) = match kind.as_str() {
        "whole" => (Some(1_000), two_chunks.boxed()),
        "fails" => (Some(1_000), broken(failure).boxed()),
        "short" => (Some(1_000), broken(Ok(Bytes::new())).boxed()),
        "fails-unsized" => (None, broken(failure).boxed()),
        _ => (None, stream::repeat_with(chunk).boxed()),
    };
    let source = Arc::new(Source(closed.as_ref().clone()));
    let fetched = std::cell::RefCell::new(Some(Fetched {
        meta: ObjectMeta { length, ..ObjectMeta::default() },
        part: None,
        body: Body::Stream(ByteStream::new(length, chunks)).holding(source),
    }));
    let fetch = move |_| ready(fetched.take().ok_or_else(|| Fault::new(FaultKind::Internal, "fetched twice")));
    match respond::object(&request, Extras::default(), fetch).await {
        Ok(response) => response,
        Err(fault) => error::answer(&request, &fault, Extras::default()),
    }
}

/// Lets the connection send what it has before the stream goes on.
fn after_a_pause(last: Result<Bytes, Fault>) -> impl Stream<Item = Result<Bytes, Fault>> {
    stream::once(async {
        tokio::task::yield_now().await;
        last
    })
}

async fn panics_at_once() -> HttpResponse {
    panic!("scripted")
}

async fn missing(request: HttpRequest) -> HttpResponse {
    assert!(!RequestId::of(&request).as_str().is_empty());
    let fault = Fault::new(FaultKind::NotFound, "no such object");
    error::answer(&request, &fault, Extras::default())
}

fn head_and_body(answer: &str) -> (&str, &str) {
    answer.split_once("\r\n\r\n").expect("an answer has a head")
}

/// The value of a header of the first answer.
fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = head_and_body(answer);
    head.lines().filter_map(|line| line.split_once(": ")).find(|(given, _)| *given == name).map(|(_, value)| value)
}

#[actix_web::test]
async fn a_body_that_breaks_off_never_looks_whole() {
    let server = Server::start().await;
    let whole = server.get("/object/whole", "").await;
    assert_eq!((header(&whole, "content-length"), head_and_body(&whole).1.len()), (Some("1000"), 1_000));

    for kind in ["fails", "short"] {
        let answer = server.get(&format!("/object/{kind}"), "").await;
        assert_eq!(header(&answer, "content-length"), Some("1000"), "{kind}");
        assert!(head_and_body(&answer).1.len() < 1_000, "{kind}");
    }
    let chunked = server.get("/object/fails-unsized", "").await;
    assert_eq!(header(&chunked, "transfer-encoding"), Some("chunked"));
    assert!(!chunked.ends_with("0\r\n\r\n"));
    server.stop().await;
}

/// Red when the answer to HEAD keeps its source: `without_body` that keeps `self.source` (`src/respond/payload.rs`).
#[actix_web::test]
async fn fault_04_a_client_that_leaves_closes_the_source_and_head_closes_it_at_once() {
    let mut server = Server::start().await;
    let mut connection = server.connect().await;
    connection.write_all(b"GET /object/endless HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut start = vec![0; 65_536];
    connection.read_exact(&mut start).await.unwrap();
    drop(connection);
    server.a_source_is_closed().await;

    let head = server.talk("HEAD /object/whole HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert_eq!((header(&head, "content-length"), head_and_body(&head).1), (Some("1000"), ""));
    server.a_source_is_closed().await;
    server.stop().await;
}

/// Red without the panic fence: `inner.call(request).await` in the place of `fence(..)` (`src/http/edge.rs`).
#[actix_web::test]
async fn fault_17_a_panic_is_a_500_with_an_id_and_the_next_request_works() {
    let server = Server::start().await;
    let answer = server.get("/panic", "x-request-id: mine\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    assert_eq!((header(&answer, "x-request-id"), header(&answer, "x-rule")), (Some("mine"), Some("kept")));
    assert_eq!(
        (header(&answer, "cache-control"), header(&answer, "content-type")),
        (Some("no-store"), Some("application/json"))
    );
    assert!(head_and_body(&answer).1.contains(r#""code":"internal""#) && answer.contains(r#""request_id":"mine""#));

    let requests =
        "GET /panic HTTP/1.1\r\nHost: x\r\n\r\nGET /missing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let both = server.talk(requests).await;
    assert!(both.starts_with("HTTP/1.1 500 ") && both.contains("HTTP/1.1 404 "), "{both}");
    assert_eq!(server.traffic.stats().panics, 2);
    server.stop().await;
}

#[actix_web::test]
async fn errors_carry_rules_cors_and_the_id_that_the_body_names() {
    let server = Server::start().await;
    let answer = server.get("/missing", "").await;
    let id = header(&answer, "x-request-id").unwrap();
    assert_eq!(
        head_and_body(&answer).1,
        format!(r#"{{"error":{{"code":"not_found","message":"no such object","request_id":"{id}"}}}}"#)
    );
    assert_eq!((header(&answer, "x-rule"), header(&answer, "access-control-allow-origin")), (Some("kept"), Some("*")));
    server.stop().await;
}

#[actix_web::test]
async fn a_picture_is_sent_whole_in_parts_and_not_at_all_on_one_connection() {
    let server = Server::start().await;
    let whole = server.get("/picture", "").await;
    assert_eq!((header(&whole, "content-length"), head_and_body(&whole).1.len()), (Some("1000000"), 1_000_000));

    let parts = server.get("/picture", "Range: bytes=0-9,20-29\r\n").await;
    assert!(parts.starts_with("HTTP/1.1 206 "));
    assert_eq!(header(&parts, "content-length").unwrap(), head_and_body(&parts).1.len().to_string());

    let requests = "HEAD /picture HTTP/1.1\r\nHost: x\r\n\r\n\
                    GET /picture HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"v1\"\r\n\r\n\
                    OPTIONS /picture HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = server.talk(requests).await;
    let statuses: Vec<&str> = answers.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).collect();
    assert_eq!(statuses, ["200 OK", "304 Not Modified", "204 No Content"]);
    assert!(!answers.contains("ppp"));
    server.stop().await;
}

#[actix_web::test]
async fn a_preflight_is_answered_for_every_path() {
    let server = Server::start().await;
    let preflight = "OPTIONS /any HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://a.example\r\n\
                     Access-Control-Request-Method: GET\r\n\r\n";
    let answer = server.talk(preflight).await;
    assert!(answer.starts_with("HTTP/1.1 204 "));
    assert_eq!(header(&answer, "access-control-allow-methods"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(header(&answer, "allow"), Some("GET, HEAD, OPTIONS"));
    server.stop().await;
}
