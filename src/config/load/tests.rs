use std::time::Duration;

use proptest::prelude::*;

use crate::config::{CacheKind, CredentialSource, Listener, LockKind, RedisTopology, StorageKind};
use crate::domain::{Dialect, ResultKey, resolve};

use super::*;

const BUCKET: &str = r#"
[buckets.media.storages]
basic = { kind = "local", root_path = "/tmp/a" }
transform = { kind = "noop" }
"#;

fn environment(variables: &[(&str, &str)]) -> HashMap<String, String> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn read(text: &str) -> Config {
    parse(text, &HashMap::new()).unwrap()
}

fn problems(text: &str) -> Vec<String> {
    let Err(problems) = parse(text, &HashMap::new()) else { return Vec::new() };
    problems.0.iter().map(ToString::to_string).collect()
}

/// The only problem of a text.
fn problem(text: &str) -> String {
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn the_default_file_says_what_the_code_does_without_it() {
    let (file, code) = (read(DEFAULT_CONFIG), read(""));
    // The file has a demonstration bucket with a sample picture, which nobody wants by leaving keys out.
    assert!(file.server.sample && !code.server.sample);
    assert_eq!(crate::config::ServerConfig { sample: false, ..file.server }, code.server);
    assert_eq!(file.limits, code.limits);
    assert_eq!(file.encoding, code.encoding);
    assert_eq!(file.origins, code.origins);
    assert_eq!(file.s3, code.s3);
    assert_eq!(file.watermarks, code.watermarks);
    assert_eq!(file.actors, code.actors);
    assert_eq!(file.supervision, code.supervision);
}

#[test]
fn the_default_file_serves_the_sample_in_all_its_ways() {
    let routes = read(DEFAULT_CONFIG).routes;
    assert!(resolve(&routes, "/media/sample.jpg", "").unwrap().derived.is_none());
    for (path, query) in [("/small", ""), ("/medium", ""), ("/large", ""), ("/square", ""), ("", "width=300")] {
        let derived = resolve(&routes, &format!("/media/sample.jpg{path}"), query).unwrap().derived.unwrap();
        assert_eq!((derived.root.store.as_str(), derived.root.key.as_str()), ("media/basic", "sample.jpg"));
    }
}

/// `DEFAULT_CONFIG` with the examples in it, `#key = …`, made real.
fn with_examples() -> String {
    let real = |line: &str| match line.strip_prefix('#') {
        Some(example) if example.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => format!("{example}\n"),
        _ => format!("{line}\n"),
    };
    DEFAULT_CONFIG.lines().map(real).collect()
}

#[test]
fn every_example_in_the_default_file_is_understood() {
    let variables = environment(&[("MEDIA_SECRET", "s"), ("ORIGIN_TOKEN", "t"), ("S3_SECRET", "u")]);
    let found = parse(&with_examples(), &variables).unwrap_err();
    let places: Vec<&str> = found.0.iter().map(|problem| problem.place.as_str()).collect();
    // The keys of an http storage stand in the section of one on disk.
    assert_eq!(places, ["buckets.media.storages.basic.url", "buckets.media.storages.basic.headers"]);
}

/// Every key that the reader asks for, as told by the refusal of a key that nobody knows.
fn keys_of(section: &str) -> Vec<String> {
    let mut lines = with_examples().lines().map(str::to_owned).collect::<Vec<_>>();
    let header = format!("[{section}]");
    match lines.iter().position(|line| *line == header || *line == format!("[{header}]")) {
        Some(at) => lines.insert(at + 1, "nobody_knows = 1".to_owned()),
        None => panic!("{section} is not in the default file"),
    }
    let variables = environment(&[("MEDIA_SECRET", "s"), ("ORIGIN_TOKEN", "t"), ("S3_SECRET", "u")]);
    let found = parse(&lines.join("\n"), &variables).unwrap_err();
    let refusal = found.0.iter().find(|problem| problem.place.ends_with("nobody_knows")).unwrap();
    let (_, keys) = refusal.message.split_once("the keys here are ").unwrap();
    keys.split(", ").map(str::to_owned).collect()
}

#[test]
fn every_key_stands_in_the_default_file() {
    let text = with_examples();
    for section in [
        "server",
        "server.cache",
        "server.lock",
        "server.cors",
        "headers",
        "limits",
        "encoding",
        "origins",
        "s3",
        "watermarks",
        "actors.storage",
        "actors.cache",
        "actors.lock",
        "actors.transform",
        "actors.store_back",
        "supervision",
        "buckets.media",
        "buckets.media.keys",
        "buckets.media.transform",
        "buckets.media.transform.presets.small",
        "buckets.media.transform.presets.small.filters",
        "buckets.media.storages.basic",
        "buckets.photos.storages.basic",
        "buckets.media.glacier",
    ] {
        for key in keys_of(section) {
            let assigned = text.lines().any(|line| line.starts_with(&format!("{key} = ")));
            let headed = text.lines().any(|line| line.starts_with('[') && line.contains(&format!("{section}.{key}")));
            assert!(assigned || headed, "{section}.{key} is not explained");
        }
    }
}

#[test]
fn all_problems_are_reported_at_once_each_with_its_place() {
    let text = r#"
        colour = 1
        [server]
        listen = "nowhere"
        request_timeout = "soon"
        loud = true
        [limits]
        operations = 0
        source_bytes = "1 B"
        [buckets.media.transform]
        kind = "presets"
        path = "/(?P<parent>.+"
        parent_bucket = "other"
        parent_storage = "attic"
        [buckets.media.transform.presets.small]
        quality = 900
        filters = { thumbnail = { width = 0 }, blur = {}, shine = 1 }
        [buckets.media.storages.basic]
        kind = "local"
    "#;
    let expected = [
        "server.listen: \"nowhere\" is not",
        "server.request_timeout: \"soon\" is not",
        "server.loud: is not a known key; the keys here are listen, listens,",
        "limits.source_bytes: 1 B is not between",
        "limits.operations: 0 is not between 1 and 1000",
        "buckets.media.storages.basic.root_path: is missing",
        "buckets.media.transform.path: is not a regular expression: unclosed group",
        "buckets.media.transform.presets.small.quality: 900 is not between 1 and 100",
        "buckets.media.transform.presets.small.filters.thumbnail: needs a width or a height",
        "buckets.media.transform.presets.small.filters.blur.sigma: is missing",
        "buckets.media.transform.presets.small.filters.shine: is not a known key",
        "buckets.media.transform.parent_bucket: there is no bucket \"other\"",
        "buckets.media.transform.parent_storage: this bucket has no storage \"attic\"",
        "buckets.media.storages.transform: is missing",
        "colour: is not a known key",
    ];
    let found = problems(text);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n  is not\n{expected}");
    }
}

#[test]
fn a_text_that_is_not_toml_is_told_with_its_line() {
    let found = problem("[server]\nlisten 80 \"hunter2\"\n");
    assert!(found.contains("line 2"), "{found}");
    assert!(!found.contains("hunter2") && !found.contains('\n'), "{found}");
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let found = load(Some(Path::new("/nowhere/at/all.toml")), &HashMap::new()).unwrap_err();
    assert!(found.to_string().starts_with("/nowhere/at/all.toml cannot be read"));
}

#[test]
fn the_environment_wins_over_the_file() {
    let variables = environment(&[
        ("MORTAR__SERVER__LISTEN", "127.0.0.1:9000"),
        ("MORTAR__SERVER__ACCESS_LOGS", "true"),
        ("MORTAR__SERVER__CACHE__CACHE_SIZE", "1GiB"),
        ("MORTAR__LIMITS__OPERATIONS", "3"),
        ("MORTAR__WATERMARKS__ALLOWED_HOSTS", "a.example, B.example"),
        ("MORTAR__BUCKETS__MEDIA__STORAGES__BASIC__ROOT_PATH", "/srv"),
        ("MORTARLESS__SERVER__LISTEN", "garbage"),
    ]);
    let config = parse(&format!("[server]\nlisten = \":1\"\n{BUCKET}"), &variables).unwrap();
    assert_eq!(config.server.listens, ["127.0.0.1:9000".parse::<Listener>().unwrap()]);
    assert!(config.server.access_logs);
    assert_eq!(config.server.cache.cache_size, 1 << 30);
    assert_eq!(config.limits.operations, 3);
    assert_eq!(config.watermarks.allowed_hosts, ["a.example", "b.example"]);
    assert_eq!(config.buckets["media"].storages["basic"].root_path.as_deref(), Some(Path::new("/srv")));
}

#[test]
fn a_variable_that_sets_nothing_known_is_a_problem() {
    let found = parse("", &environment(&[("MORTAR__SERVER__LISTN", "x")])).unwrap_err();
    assert!(found.to_string().starts_with("server.listn: is not a known key"));
}

#[test]
fn secrets_come_from_the_environment_and_are_not_printed() {
    let text = format!("{BUCKET}\n[[buckets.media.keys]]\naccess_key = \"id\"\nsecret_access_key = \"${{SECRET}}\"");
    let config = parse(&text, &environment(&[("SECRET", "hunter2")])).unwrap();
    assert_eq!(config.buckets["media"].keys[0].secret_access_key, "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"));
    let place = "buckets.media.keys[0].secret_access_key: the environment variable \"SECRET\" is not set";
    assert_eq!(problem(&text), place);
}

#[test]
fn listeners_must_not_collide() {
    assert!(problem("[server]\ninternal_listen = \"0.0.0.0:8080\"").starts_with("server.internal_listen: "));
    assert!(problem("[server]\nlistens = [\":80\", \"*:80\"]").starts_with("server.listens: "));
    let several =
        read("[server]\nlistens = [\"127.0.0.1:8081\", \"unix:/a\"]\ninternal_listen = \"[::1]:8081\"").server;
    assert_eq!(several.listens.len(), 2);
}

#[test]
fn times_and_sizes_may_be_plain_numbers() {
    let server = read("[server]\nrequest_timeout = 7\n[server.cache]\ncache_size = 9000000").server;
    assert_eq!(server.request_timeout, Duration::from_secs(7));
    assert_eq!(server.cache.cache_size, 9_000_000);
}

#[test]
fn each_storage_has_what_its_kind_needs_and_nothing_else() {
    let storage = |text: &str| format!("[buckets.media.storages]\nbasic = {{ {text} }}");
    let wrong = [
        ("kind = \"local-meta\"", "root_path"),
        ("kind = \"http\"", "url"),
        ("kind = \"ftp\"", "kind"),
        ("root_path = \"/x\"", "kind"),
        ("kind = \"noop\", root_path = \"/x\"", "root_path"),
        ("kind = \"noop\", headers = { a = \"b\" }", "headers"),
        ("kind = \"http\", url = \"https://h/x\"", "url"),
        ("kind = \"http\", url = \"https://h/<thing>/<item>\"", "url"),
        ("kind = \"http\", url = \"ftp://h/<item>\"", "url"),
        ("kind = \"noop\", path_prefix = \"a/../b\"", "path_prefix"),
        ("kind = \"noop\", bucket = \"a/b\"", "bucket"),
        ("kind = \"http\", url = \"https://h/<item>\", headers = { \"a b\" = \"c\" }", "headers.a b"),
    ];
    for (text, key) in wrong {
        let found = problems(&storage(text));
        assert!(found[0].starts_with(&format!("buckets.media.storages.basic.{key}: ")), "{text}: {found:?}");
    }
    let origin = read(&storage("kind = \"http\", url = \"https://h/<container>/<item>\", headers = { a = \"b\" }"));
    assert_eq!(origin.buckets["media"].storages["basic"].kind, StorageKind::Http);
}

#[test]
fn one_bad_storage_is_found_whatever_stands_beside_it() {
    for name in ["a", "z"] {
        let text = format!("{BUCKET}{name} = {{ kind = \"tape\" }}");
        assert!(problem(&text).starts_with(&format!("buckets.media.storages.{name}.kind: ")));
    }
}

fn with_transform(text: &str) -> String {
    format!("{BUCKET}[buckets.media.transform]\n{text}")
}

#[test]
fn the_result_key_has_a_default_that_fits_the_kind() {
    let result_key = |text: &str| {
        let routes = read(&with_transform(text)).routes;
        routes.get("media").unwrap().transform().unwrap().result_key
    };
    let path = r"path = '/(?P<presetName>[a-z]+)/(?P<parent>.+)'";
    assert_eq!(result_key("kind = \"query\""), ResultKey::HashParent);
    assert_eq!(result_key("kind = \"query\"\nresult_key = \"\""), ResultKey::HashParent);
    assert_eq!(result_key("kind = \"query\"\nresult_key = \"hash\""), ResultKey::Hash);
    assert_eq!(result_key(&format!("kind = \"presets\"\n{path}")), ResultKey::Request);
    assert_eq!(result_key(&format!("kind = \"presets-query\"\n{path}")), ResultKey::HashParent);
}

#[test]
fn a_transform_of_another_kind_is_refused() {
    for kind in ["cloudinary", "tengo", "base64_presets", ""] {
        let found = problem(&with_transform(&format!("kind = \"{kind}\"")));
        assert!(found.starts_with("buckets.media.transform.kind: "), "{found}");
    }
}

#[test]
fn a_preset_pattern_has_its_groups() {
    for path in ["/(?P<presetName>a)", "/(?P<parent>a)", ""] {
        let found = problem(&with_transform(&format!("kind = \"presets-query\"\npath = '{path}'")));
        assert!(found.starts_with("buckets.media.transform.path: has no group"), "{found}");
    }
    assert!(problem(&with_transform("kind = \"presets\"")).contains("path: is missing"));
    assert!(problem(&with_transform("kind = \"query\"\npath = 'x'")).contains("no meaning"));
}

fn with_filters(filters: &str) -> String {
    with_transform(&format!(
        "kind = \"presets\"\npath = '/(?P<presetName>[a-z]+)/(?P<parent>.+)'\n[buckets.media.transform.presets.p]\nfilters = {{ {filters} }}"
    ))
}

#[test]
fn presets_are_understood_at_the_start() {
    let filters = "thumbnail = { width = 5, mode = \"outbound\", fill = true }, rotate = { angle = 90 }, \
        watermark = { image = \"/media/l.png\", position = \"top-left\", opacity = 0.5 }, grayscale = true";
    let routes = read(&with_filters(filters)).routes;
    let Dialect::Presets(paths) = &routes.get("media").unwrap().transform().unwrap().dialect else {
        panic!("presets were configured")
    };
    let step = &paths.presets["p"].step;
    assert!(step.resize.is_some_and(|resize| resize.enlarge && resize.fill && resize.height.is_none()));
    assert_eq!(step.operations(), 4);
}

#[test]
fn presets_that_no_request_could_use_are_problems() {
    let wrong = [
        ("crop = { width = 9000 }", "crop.width"),
        ("crop = { width = 5, gravity = \"up\" }", "crop.gravity"),
        ("thumbnail = { width = 5, mode = \"sideways\" }", "thumbnail.mode"),
        ("rotate = { angle = 45 }", "rotate.angle"),
        ("blur = { sigma = 0 }", "blur.sigma"),
        ("resize_crop_auto = { width = 5 }", "resize_crop_auto"),
        ("extract = { top = -1 }", "extract.top"),
        ("interlace = \"maybe\"", "interlace"),
        ("watermark = { image = \"/lost/l.png\", position = \"top-left\", opacity = 1 }", "watermark.image"),
        ("watermark = { image = \"http://h/l.png\", position = \"top-left\", opacity = 1 }", "watermark.image"),
        ("watermark = { image = \"/media/l.png\", position = \"left\", opacity = 1 }", "watermark.position"),
        ("watermark = { image = \"/media/l.png\", position = \"top-left\", opacity = 2 }", "watermark.opacity"),
    ];
    for (filters, key) in wrong {
        let found = problems(&with_filters(filters));
        let place = format!("buckets.media.transform.presets.p.filters.{key}: ");
        assert!(found.iter().any(|problem| problem.starts_with(&place)), "{filters}: {found:?}");
    }
}

#[test]
fn names_that_would_blur_paths_and_keys_are_refused() {
    for name in ["a/b", "a#b", "a:b", "..", ".a", "a b", "ü"] {
        let text = format!("[buckets.\"{name}\".storages]\nbasic = {{ kind = \"noop\" }}");
        assert!(problems(&text).iter().any(|problem| problem.contains("the name may have")), "{name}");
        let text = format!("{BUCKET}\"{name}\" = {{ kind = \"noop\" }}");
        assert!(problems(&text).iter().any(|problem| problem.contains("the name may have")), "{name}");
    }
    assert!(read(&BUCKET.replace("media", "\"My.Bucket-1\"")).buckets.contains_key("My.Bucket-1"));
}

#[test]
fn header_rules_must_be_http() {
    let rule = |text: &str| problem(&format!("[[headers]]\n{text}"));
    assert!(rule("values = { a = \"b\" }").starts_with("headers[0].status_codes: is missing"));
    assert!(rule("status_codes = [99]").starts_with("headers[0].status_codes[0]: "));
    assert!(rule("status_codes = [200]\nvalues = { \"a b\" = \"c\" }").starts_with("headers[0].values.a b: "));
    assert!(rule("status_codes = [200]\nvalues = { a = \"b\\nc\" }").starts_with("headers[0].values.a: "));
    assert!(rule("status_codes = [200]\nvalues = { a = \"b\", A = \"c\" }").contains("twice"));
}

#[test]
fn what_the_start_would_refuse_is_a_problem_already() {
    let rule = "[[headers]]\nstatus_codes = [200]\nvalues = { \"Content-Length\" = \"1\" }";
    assert!(problem(rule).contains("values.Content-Length: follows from the answer"), "{}", problem(rule));
    let bucket = format!("[buckets.media]\nheaders = {{ connection = \"close\" }}\n{BUCKET}");
    assert!(problem(&bucket).starts_with("buckets.media.headers.connection: "), "{}", problem(&bucket));
    let origins = "[server.cors]\nallow_origins = [\"*\", \"https://example.org\"]";
    assert!(problem(origins).starts_with("server.cors.allow_origins: "), "{}", problem(origins));
}

#[test]
fn a_sample_needs_its_bucket() {
    assert!(problem("[server]\nsample = true").starts_with("server.sample: "));
}

proptest! {
    #[test]
    fn any_value_of_any_key_is_answered(
        key in "(server|limits|actors\\.lock|buckets\\.b|buckets\\.b\\.transform|buckets\\.b\\.storages|headers|[a-z]{1,5})(\\.(listen|listens|operations|path|presets|keys|basic|kind|values)){0,2}",
        value in "(-?[0-9]{1,20}|true|\"[^\"\\\\]{0,12}\"|\\[\\]|\\[1, \"x\"\\]|\\{\\}|\\{ a = 1 \\}|1\\.5|nan|1979-05-27)"
    ) {
        let _ = parse(&format!("{key} = {value}"), &HashMap::new());
    }
}

#[test]
fn a_redis_is_read_into_types() {
    let config = read(
        r#"
        [server.cache]
        type = "redis"
        address = "rediss://mortar:secret@cache.internal:7000/2"
        key_prefix = "gallery"
        [server.lock]
        type = "redis-cluster"
        address = ["10.0.0.1", "[fd00::2]:7001"]
        password = "secret"
        "#,
    );
    let (CacheKind::Redis(cache), LockKind::Redis(lock)) = (config.server.cache.kind, config.server.lock) else {
        panic!("both are in Redis");
    };
    assert_eq!((cache.topology, cache.database, cache.key_prefix.as_str()), (RedisTopology::Single, 2, "gallery"));
    assert_eq!((cache.endpoints[0].to_string().as_str(), cache.endpoints[0].is_tls()), ("cache.internal:7000", true));
    assert_eq!(cache.credentials.username.as_deref(), Some("mortar"));
    let endpoints: Vec<String> = lock.endpoints.iter().map(ToString::to_string).collect();
    assert_eq!(
        (lock.topology, endpoints),
        (RedisTopology::Cluster, vec!["10.0.0.1:6379".into(), "[fd00::2]:7001".into()])
    );
    assert!(!format!("{cache:?}{lock:?}").contains("secret"));
}

/// Red when addresses are first looked at when they are used: without `section.problem` where one cannot be read
/// (`src/config/read_redis.rs`).
#[test]
fn fault_12_a_redis_that_cannot_be_is_refused_with_its_place() {
    for (keys, expected) in [
        ("", "server.cache.address: is missing; where is the Redis?"),
        (r#"address = ["a", "b"]"#, "server.cache.address: has several servers; type redis-cluster has those"),
        (
            r#"address = "a:b:c""#,
            r#"server.cache.address[0]: "a:b:c" is not host, host:port, redis://…, rediss://… or unix:/path"#,
        ),
        (
            "address = \"redis://a/1\"\ndatabase = 2",
            "server.cache.database: differs from what an address says, or one address from another",
        ),
        ("address = \"a\"\nusername = \"me\"", "server.cache.password: is missing; there is a username"),
        (
            "address = \"a\"\nkey_prefix = \"a b\"",
            "server.cache.key_prefix: must have 1 to 64 letters, digits and - _ . : only",
        ),
        (
            "address = \"a\"\nca_certificate = \"/ca\"",
            "server.cache.ca_certificate: is of no use without an address that begins with rediss://",
        ),
    ] {
        assert_eq!(problem(&format!("[server.cache]\ntype = \"redis\"\n{keys}")), expected);
    }
    for (keys, expected) in [
        (r#"address = "unix:/run/redis""#, "server.lock.address: a cluster cannot be reached by a unix socket"),
        (
            r#"address = ["redis://a", "rediss://b"]"#,
            "server.lock.address: all servers of a cluster speak TLS, or none does",
        ),
        ("address = \"a\"\ndatabase = 1", "server.lock.database: a cluster has the database 0 only"),
    ] {
        assert_eq!(problem(&format!("[server.lock]\ntype = \"redis-cluster\"\n{keys}")), expected);
    }
    assert_eq!(problem("[server.cache]\naddress = \"x y\"").split(": ").next(), Some("server.cache.address[0]"));
}

/// A bucket with one S3 storage of these keys.
fn s3_storage(keys: &str) -> String {
    format!("[buckets.media.storages.basic]\nkind = \"s3\"\n{keys}\n")
}

#[test]
fn an_s3_storage_needs_no_more_than_its_kind() {
    let config = read(&s3_storage(""));
    let storage = config.buckets["media"].storages["basic"].s3.clone().unwrap();
    assert_eq!((storage.endpoint, storage.region.as_str(), storage.path_style), (None, "us-east-1", false));
    assert_eq!(storage.credentials, CredentialSource::Automatic);
    assert!(!storage.glacier.enabled);
}

#[test]
fn an_s3_storage_takes_its_endpoint_its_keys_and_its_buckets_archive() {
    let keys = "endpoint = \"minio:9000\"\naccess_key = \"a\"\nsecret_access_key = \"hunter2\"\n\
        [buckets.media.glacier]\nenabled = true\nrestore_tier = \"Expedited\"";
    let config = read(&s3_storage(keys));
    let storage = config.buckets["media"].storages["basic"].s3.clone().unwrap();
    assert_eq!(storage.endpoint.as_ref().unwrap().as_str(), "https://minio:9000/");
    assert!(storage.path_style && storage.glacier.enabled);
    assert_eq!(storage.glacier.retry_after, Duration::from_secs(300));
    assert!(matches!(&storage.credentials, CredentialSource::Static(keys) if keys.access_key == "a"));
    assert!(!format!("{config:?}").contains("hunter2"), "secrets are not printed");
}

#[test]
fn what_is_wrong_with_an_s3_storage_is_told() {
    let place = "buckets.media.storages.basic";
    for (keys, expected) in [
        ("access_key = \"a\"", ".secret_access_key: is missing"),
        ("credentials = \"static\"\naccess_key = \"a\"", ".secret_access_key: is missing"),
        ("credentials = \"instance\"\naccess_key = \"a\"", ".credentials: are not \"static\""),
        ("profile = \"work\"", ".profile: has a meaning only with"),
        ("endpoint = \"ftp://minio\"", ".endpoint: is not an http or https address"),
        ("endpoint = \"http://minio/path\"", ".endpoint: must be a scheme, a host"),
        ("endpoint = \"http://user:pass@minio\"", ".endpoint: must be a scheme, a host"),
        ("region = \"eu central\"", ".region: \"eu central\" is not a region"),
        ("root_path = \"/srv\"", ".root_path: has no meaning"),
        ("[buckets.media.glacier]\nrestore_days = 31", "buckets.media.glacier.restore_days: 31 is not between"),
    ] {
        let found = problem(&s3_storage(keys));
        assert!(found.trim_start_matches(place).starts_with(expected), "{found}");
    }
    let misplaced = BUCKET.replace("kind = \"noop\"", "kind = \"noop\", endpoint = \"minio:9000\"");
    assert!(problem(&misplaced).ends_with("endpoint: has no meaning for this kind of storage"));
    assert!(problem(&format!("[s3]\npart_size = \"1MiB\"\n{BUCKET}")).starts_with("s3.part_size: "));
}

#[test]
fn an_s3_secret_is_never_part_of_a_problem() {
    let found = problems(&s3_storage("access_key = \"a\"\nsecret_access_key = \"hunter2\"\nshine = 1"));
    assert!(!found.join("\n").contains("hunter2"));
}
