//! `${NAME}` in texts of the configuration, for secrets.

use std::collections::HashMap;

use serde_json::Value;

use super::problems::Findings;

/// Replaces `${NAME}` in every text from the environment. `$${` stands for `${`; any other `$` is left alone, so that
/// regular expressions survive.
pub(super) fn expand(value: &mut Value, place: &str, environment: &HashMap<String, String>, findings: &Findings) {
    match value {
        Value::String(text) if text.contains("${") => match expand_text(text, environment) {
            Ok(expanded) => *text = expanded,
            Err(why) => findings.add(place, why),
        },
        Value::Array(values) => {
            for (index, value) in values.iter_mut().enumerate() {
                expand(value, &format!("{place}[{index}]"), environment, findings);
            }
        }
        Value::Object(entries) => {
            for (key, value) in entries {
                let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
                expand(value, &place, environment, findings);
            }
        }
        _ => {}
    }
}

fn expand_text(text: &str, environment: &HashMap<String, String>) -> Result<String, String> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        let Some((name, after)) = after.split_once('}') else {
            return Err("has ${ without a closing }; write $${ for the two characters themselves".to_owned());
        };
        let Some(value) = environment.get(name) else {
            return Err(format!("the environment variable {name:?} is not set"));
        };
        expanded.push_str(before);
        expanded.push_str(value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        let environment = HashMap::from([("KEY".to_owned(), "a${b".to_owned()), ("EMPTY".to_owned(), String::new())]);
        expand_text(text, &environment)
    }

    #[test]
    fn variables_are_replaced_once() {
        assert_eq!(expanded("x-${KEY}-${EMPTY}.").as_deref(), Ok("x-a${b-."));
    }

    #[test]
    fn other_dollars_survive() {
        assert_eq!(expanded(r"^/(?P<parent>.+)$|$x{2}").as_deref(), Ok(r"^/(?P<parent>.+)$|$x{2}"));
        assert_eq!(expanded("$${KEY} ${EMPTY}$${").as_deref(), Ok("${KEY} ${"));
    }

    #[test]
    fn unknown_and_unclosed_variables_are_problems() {
        assert!(expanded("${NOT_THERE}").unwrap_err().contains("NOT_THERE"));
        assert!(expanded("${").is_err());
    }
}
