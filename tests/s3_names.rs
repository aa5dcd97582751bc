//! One object, one name: where an endpoint takes slashes off, nothing goes by another name past what Mortar keeps in order.

mod harness;

use harness::origin::{Origin, REMOTE_RESULTS, Reply};
use harness::signer::{Signed, Signer, UNSIGNED, WRITER, s3_bucket};
use harness::{Mortar, drawn_jpeg};

/// Names that MinIO takes for `a.jpg`, and for what is Mortar's own.
const OTHER_NAMES: [&str; 5] =
    ["/remote//a.jpg", "/remote///a.jpg", "/remote/%2Fa.jpg", "/remote//.mortar/x", "/remote/%2F%2F.mortar/x"];

/// Mortar with a bucket at an endpoint that has `a.jpg` under every name.
fn mortar(endpoint: &Origin) -> Mortar {
    let bucket = s3_bucket(&format!("http://{}", endpoint.address), ("access", "secret"));
    Mortar::with("", &(bucket + REMOTE_RESULTS))
}

#[test]
fn an_object_has_no_other_name_by_which_it_could_be_changed_or_read() {
    let picture = drawn_jpeg(200, 100);
    let endpoint = Origin::start(move |_| Reply::ok(&picture));
    let mortar = mortar(&endpoint);
    // Escaped or not, a slash is signed as one.
    let ask = |method, name: &str, headers: &[(&str, &str)], body: &[u8]| {
        let signed = Signer::new(WRITER).sign(&mortar, method, &name.replace("%2F", "/"), headers, UNSIGNED);
        Signed { path: name.to_owned(), ..signed }.send(&mortar, body)
    };
    for name in OTHER_NAMES {
        let copy = [("x-amz-copy-source", name)];
        for refused in [
            ask("PUT", name, &[], b"x"),
            ask("PUT", "/remote/b.jpg", &copy, b""),
            ask("DELETE", name, &[], b""),
            ask("POST", &format!("{name}?uploads"), &[], b""),
        ] {
            assert_eq!((refused.status, refused.s3_code().as_str()), (400, "InvalidRequest"), "{name}");
        }
        for query in ["", "?width=50"] {
            assert_eq!(mortar.get(&format!("{name}{query}")).status, 404, "{name}{query}");
        }
        assert_eq!(ask("GET", name, &[], b"").status, 404, "{name}");
    }
    let many = b"<Delete><Object><Key>/a.jpg</Key></Object></Delete>";
    let removed = ask("POST", "/remote?delete", &[], many).text();
    assert!(removed.contains("<Code>InvalidRequest</Code>") && !removed.contains("<Deleted>"), "{removed}");
    assert_eq!(mortar.get("/remote/a.jpg?width=50").picture().dimensions(), (50, 25));
    let by_another = |target: &str| target.starts_with("/photos//") || target.starts_with("/photos/%2F");
    let asked: Vec<_> =
        endpoint.asked().into_iter().map(|asked| asked.target).filter(|asked| by_another(asked)).collect();
    assert!(asked.is_empty(), "{asked:?}");
}
