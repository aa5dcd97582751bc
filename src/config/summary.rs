use std::fmt::Write;
use std::sync::Arc;

use super::{BucketConfig, CacheKind, Config, Listener, LockKind, RedisConfig, RedisEndpoint};
use crate::domain::{Bucket, Dialect};

impl Config {
    /// What the configuration comes to, in a few lines without secrets: what `mortar check` prints of a valid one.
    pub fn summary(&self) -> String {
        let listens: Vec<String> = self.server.listens.iter().map(Listener::to_string).collect();
        let mut text = String::from("the configuration is valid\n");
        line(&mut text, "traffic", &listens.join(", "));
        line(&mut text, "internal", &self.server.internal_listen.to_string());
        line(&mut text, "renders", &format!("{} at once", self.server.concurrent_image_processing));
        if let CacheKind::Redis(redis) = &self.server.cache.kind {
            line(&mut text, "cache", &servers(redis));
        }
        if let LockKind::Redis(redis) = &self.server.lock {
            line(&mut text, "lock", &servers(redis));
        }
        for (name, bucket) in &self.buckets {
            line(&mut text, "bucket", &format!("{name}: {}", describe(bucket, self.routes.get(name))));
        }
        text
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    writeln!(text, "  {name:<9} {value}").expect("writing to a string does not fail");
}

fn servers(redis: &RedisConfig) -> String {
    let endpoints: Vec<String> = redis.endpoints.iter().map(RedisEndpoint::to_string).collect();
    format!("Redis at {}", endpoints.join(", "))
}

fn describe(bucket: &BucketConfig, routes: Option<&Arc<Bucket>>) -> String {
    let dialect = routes.and_then(|bucket| bucket.transform()).map(|transform| match &transform.dialect {
        Dialect::Presets(paths) => format!("{} presets", paths.presets.len()),
        Dialect::Query => "queries".to_owned(),
        Dialect::PresetsThenQuery(paths) => format!("{} presets and queries", paths.presets.len()),
    });
    let storages: Vec<&str> = bucket.storages.keys().map(String::as_str).collect();
    format!("{}; storages {}", dialect.as_deref().unwrap_or("originals only"), storages.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use crate::config::{load, parse};

    #[test]
    fn the_default_configuration_is_told_in_a_few_lines() {
        let config = load(None, &HashMap::from([("MORTAR__SERVER__WORKERS".to_owned(), "3".to_owned())])).unwrap();
        let summary = config.summary();
        assert!(summary.contains("  traffic   0.0.0.0:8080\n  internal  127.0.0.1:8081\n"), "{summary}");
        assert!(summary.contains("media: 4 presets and queries; storages basic, transform\n"), "{summary}");
    }
    #[test]
    fn a_redis_is_told_without_its_password() {
        let text = "[server.cache]\ntype = \"redis\"\naddress = \"redis://:secret@cache\"";
        let summary = parse(text, &HashMap::new()).unwrap().summary();
        assert!(summary.contains("  cache     Redis at cache:6379\n") && !summary.contains("secret"), "{summary}");
    }
}
