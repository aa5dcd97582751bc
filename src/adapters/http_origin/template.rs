use mortar_actors::{Fault, FaultKind, ObjectKey};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

const CONTAINER: &str = "<container>";
const ITEM: &str = "<item>";

/// Everything that has, or could have, a meaning of its own in a path or a query. Slashes stay.
const RESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The URL of an origin with a place for the key, in its path or its query.
///
/// Scheme, host and everything before the place are settled when the template is made, so that no key can change them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UrlTemplate {
    before: String,
    after: String,
    root: Url,
}

impl UrlTemplate {
    /// Fills in the container and finds the place of the key.
    ///
    /// # Errors
    /// `Internal` when the result is not an HTTP URL without credentials, or has no `<item>` after its host.
    pub(super) fn new(template: &str, container: &str) -> Result<Self, Fault> {
        let container = utf8_percent_encode(container, &RESERVED).to_string();
        let filled = template.replacen(CONTAINER, &container, 1);
        let (before, after) = filled.split_once(ITEM).ok_or_else(|| unusable("it has no <item>"))?;
        let mut before = before.to_owned();
        if before.splitn(4, '/').count() < 4 && !before.contains('?') {
            // `http://host<item>`, as mort's keys began with a slash: the key must not become part of the host.
            before.push('/');
        }
        let base = Url::parse(&before).map_err(|error| unusable("it is not a URL").caused_by(error))?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(unusable("it is not an HTTP URL"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(unusable("it holds credentials; send them as a header"));
        }
        if base.fragment().is_some() {
            return Err(unusable("<item> stands in its fragment"));
        }
        let root = base.join("/").map_err(|error| unusable("it is not an HTTP URL").caused_by(error))?;
        Ok(Self { before, after: after.to_owned(), root })
    }

    /// The URL of an object.
    ///
    /// # Errors
    /// `NotFound` for a key that the origin could resolve to another place.
    pub(super) fn url(&self, key: &ObjectKey) -> Result<Url, Fault> {
        let absent = || Fault::new(FaultKind::NotFound, "the object does not exist");
        if key.as_str().split('/').any(|component| matches!(component, "." | "..")) {
            return Err(absent());
        }
        let item = utf8_percent_encode(key.as_str(), &RESERVED);
        Url::parse(&format!("{}{item}{}", self.before, self.after)).map_err(|error| absent().caused_by(error))
    }

    /// The root of the origin.
    pub(super) fn root(&self) -> Url {
        self.root.clone()
    }
}

fn unusable(why: &str) -> Fault {
    Fault::new(FaultKind::Internal, format!("the URL configured for a storage cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;
    use url::Position;

    use super::*;

    fn url(template: &str, key: &str) -> String {
        UrlTemplate::new(template, "photos").unwrap().url(&ObjectKey::new(key)).unwrap().to_string()
    }

    #[test]
    fn container_and_key_are_filled_in() {
        assert_eq!(url("http://o.example/<container>/<item>", "a/b.jpg"), "http://o.example/photos/a/b.jpg");
        assert_eq!(url("https://<container>.example:81/x/<item>?v=1", "a"), "https://photos.example:81/x/a?v=1");
        assert_eq!(url("http://o.example<item>", "a"), "http://o.example/a");
        assert_eq!(url("http://o.example/get?key=<item>&v=1", "a/b"), "http://o.example/get?key=a/b&v=1");
        assert_eq!(url("http://o.example?<item>", "a"), "http://o.example/?a");
    }

    #[test]
    fn a_key_is_encoded_and_keeps_its_slashes() {
        let cases = [
            ("a b", "a%20b"),
            ("ü", "%C3%BC"),
            ("50%", "50%25"),
            ("%2e%2e/x", "%252e%252e/x"),
            ("a?b#c&d=e+f", "a%3Fb%23c%26d%3De%2Bf"),
            ("a//b", "a//b"),
            ("/a", "/a"),
            ("@evil.example/", "%40evil.example/"),
            (r"..\x", "..%5Cx"),
            ("a\r\nb\0", "a%0D%0Ab%00"),
            ("<container>", "%3Ccontainer%3E"),
        ];
        for (key, encoded) in cases {
            assert_eq!(url("http://o.example/p/<item>", key), format!("http://o.example/p/{encoded}"));
            assert_eq!(url("http://o.example/?k=<item>", key), format!("http://o.example/?k={encoded}"));
        }
    }

    #[test]
    fn a_key_that_climbs_does_not_exist() {
        let template = UrlTemplate::new("http://o.example/p/<item>", "photos").unwrap();
        for key in ["..", "../x", "a/../../x", "a/.", "./a"] {
            assert!(template.url(&ObjectKey::new(key)).unwrap_err().is_not_found(), "{key}");
        }
    }

    proptest! {
        #[test]
        fn no_key_leaves_its_place(key in r"(\PC|[/.@:?#\\%\r\n\t\x00]|\.\./){0,20}") {
            let template = UrlTemplate::new("http://o.example/p/<item>", "photos").unwrap();
            if let Ok(url) = template.url(&ObjectKey::new(key.as_str())) {
                prop_assert_eq!(&url[..Position::BeforePath], "http://o.example");
                prop_assert_eq!(&url[Position::AfterPath..], "");
                let item = url.path().strip_prefix("/p/").unwrap();
                prop_assert_eq!(percent_decode_str(item).decode_utf8().unwrap(), key);
            }
        }
    }

    #[test]
    fn templates_that_cannot_work_are_refused() {
        let templates = [
            "http://o.example/",
            "o.example/<item>",
            "ftp://o.example/<item>",
            "http://me:secret@o.example/<item>",
            "http://o.example/#<item>",
            "http://<item>",
            "http:///<item>",
        ];
        for template in templates {
            let refused = UrlTemplate::new(template, "photos").map_err(|fault| fault.kind());
            assert_eq!(refused, Err(FaultKind::Internal), "{template}");
        }
    }
}
