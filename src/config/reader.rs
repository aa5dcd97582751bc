//! Reads sections of the merged configuration and notes every problem with its place, instead of stopping at the first.
//!
//! Values of the environment are texts, so numbers and switches are understood as texts too, and lists as texts with
//! commas.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

use super::problems::Findings;
use super::units;

/// One table of the configuration. Keys are taken out of it; [`Section::finish`] reports those that nobody knows.
pub(super) struct Section<'f> {
    place: String,
    entries: Map<String, Value>,
    known_keys: Vec<String>,
    findings: &'f Findings,
}

impl<'f> Section<'f> {
    pub(super) fn root(value: Value, findings: &'f Findings) -> Self {
        Self::of(String::new(), value, findings)
    }

    fn of(place: String, value: Value, findings: &'f Findings) -> Self {
        let entries = match value {
            Value::Object(entries) => entries,
            Value::Null => Map::new(),
            _ => {
                findings.add(&place, "is not a table");
                Map::new()
            }
        };
        Self { place, entries, known_keys: Vec::new(), findings }
    }

    /// The place of a key of this section.
    pub(super) fn place(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }

    /// Notes that something is wrong with a key.
    pub(super) fn problem(&self, key: &str, message: impl Into<String>) {
        self.findings.add(self.place(key), message);
    }

    /// Notes that something is wrong with the section as a whole.
    pub(super) fn own_problem(&self, message: impl Into<String>) {
        self.findings.add(&self.place, message);
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Reports the keys that nobody took.
    pub(super) fn finish(self) {
        for key in self.entries.keys() {
            self.problem(key, format!("is not a known key; the keys here are {}", self.known_keys.join(", ")));
        }
    }

    /// Takes a key out unread.
    pub(super) fn skip(&mut self, key: &str) {
        self.take(key);
    }

    fn take(&mut self, key: &str) -> Option<Value> {
        self.known_keys.push(key.to_owned());
        self.entries.remove(key)
    }

    /// A table inside of this one; empty when absent.
    pub(super) fn section(&mut self, key: &str) -> Section<'f> {
        let value = self.take(key).unwrap_or_default();
        Self::of(self.place(key), value, self.findings)
    }

    /// The tables of a table, by name.
    pub(super) fn named_sections(&mut self, key: &str) -> Vec<(String, Section<'f>)> {
        let outer = self.section(key);
        let inner = outer.entries.into_iter();
        let place = |name: &str| format!("{}.{name}", outer.place);
        inner.map(|(name, value)| (name.clone(), Self::of(place(&name), value, outer.findings))).collect()
    }

    /// The tables of a list.
    pub(super) fn listed_sections(&mut self, key: &str) -> Vec<Section<'f>> {
        let values = match self.take(key) {
            None => Vec::new(),
            Some(Value::Array(values)) => values,
            Some(_) => {
                self.problem(key, "is not a list of tables");
                Vec::new()
            }
        };
        let place = self.place(key);
        let sections = values.into_iter().enumerate();
        sections.map(|(index, value)| Self::of(format!("{place}[{index}]"), value, self.findings)).collect()
    }

    /// Names and texts of a table.
    pub(super) fn texts_by_name(&mut self, key: &str) -> BTreeMap<String, String> {
        let mut section = self.section(key);
        let names: Vec<String> = section.entries.keys().cloned().collect();
        names.into_iter().filter_map(|name| section.text(&name).map(|text| (name, text))).collect()
    }

    /// A text.
    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        match self.take(key)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(switch) => Some(switch.to_string()),
            _ => {
                self.problem(key, "is not a text");
                None
            }
        }
    }

    pub(super) fn text_or(&mut self, key: &str, default: &str) -> String {
        self.text(key).unwrap_or_else(|| default.to_owned())
    }

    /// A text that must be given.
    pub(super) fn required_text(&mut self, key: &str) -> Option<String> {
        let given = self.has(key);
        let text = self.text(key);
        if !given {
            self.problem(key, "is missing");
        }
        let text = text?;
        if text.is_empty() {
            self.problem(key, "is empty");
            return None;
        }
        Some(text)
    }

    /// Texts.
    pub(super) fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        match self.take(key)? {
            Value::String(text) => {
                let pieces = text.split(',').map(str::trim).filter(|piece| !piece.is_empty());
                Some(pieces.map(str::to_owned).collect())
            }
            Value::Array(values) => Some(self.listed_texts(key, values)),
            _ => {
                self.problem(key, "is not a list of texts");
                None
            }
        }
    }

    fn listed_texts(&self, key: &str, values: Vec<Value>) -> Vec<String> {
        let mut texts = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            match value {
                Value::String(text) => texts.push(text),
                Value::Number(number) => texts.push(number.to_string()),
                _ => self.problem(&format!("{key}[{index}]"), "is not a text"),
            }
        }
        texts
    }

    /// Texts that are each understood by `parse`; those that are not become problems.
    pub(super) fn parsed_texts<T, E: Display>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let texts = self.texts(key)?;
        let mut parsed = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match parse(text) {
                Ok(value) => parsed.push(value),
                Err(why) => self.problem(&format!("{key}[{index}]"), why.to_string()),
            }
        }
        Some(parsed)
    }

    /// A text that `parse` understands.
    pub(super) fn parsed<T, E: Display>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text(key)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                self.problem(key, why.to_string());
                None
            }
        }
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> Option<T> {
        self.parsed(key, |text| {
            let known = choices.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
            known.ok_or_else(|| {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                format!("{text:?} is not one of {}", names.join(", "))
            })
        })
    }

    pub(super) fn switch(&mut self, key: &str, default: bool) -> bool {
        match self.take(key) {
            None => default,
            Some(Value::Bool(switch)) => switch,
            Some(Value::String(text)) if text == "true" => true,
            Some(Value::String(text)) if text == "false" => false,
            Some(_) => {
                self.problem(key, "is neither true nor false");
                default
            }
        }
    }

    /// A whole number.
    pub(super) fn integer(&mut self, key: &str) -> Option<i64> {
        match self.take(key)? {
            Value::Number(number) if number.is_i64() => number.as_i64(),
            Value::String(text) => self.parse_or_report(key, &text, "a whole number"),
            _ => {
                self.problem(key, "is not a whole number");
                None
            }
        }
    }

    /// A number.
    pub(super) fn number(&mut self, key: &str) -> Option<f64> {
        match self.take(key)? {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => self.parse_or_report(key, &text, "a number"),
            _ => {
                self.problem(key, "is not a number");
                None
            }
        }
    }

    fn parse_or_report<T: FromStr>(&self, key: &str, text: &str, what: &str) -> Option<T> {
        let value = text.trim().parse().ok();
        if value.is_none() {
            self.problem(key, format!("{text:?} is not {what}"));
        }
        value
    }

    /// A count within a range.
    pub(super) fn count<T>(&mut self, key: &str, default: T, range: RangeInclusive<T>) -> T
    where
        T: Copy + PartialOrd + Display + TryFrom<i64>,
    {
        let Some(number) = self.integer(key) else { return default };
        match T::try_from(number) {
            Ok(count) if range.contains(&count) => count,
            _ => {
                self.problem(key, format!("{number} is not between {} and {}", range.start(), range.end()));
                default
            }
        }
    }

    /// A size in bytes within a range.
    pub(super) fn size(&mut self, key: &str, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(text) = self.text(key) else { return default };
        match units::parse_size(&text) {
            Ok(size) if range.contains(&size) => size,
            Ok(size) => {
                let (least, most) = (units::Size(*range.start()), units::Size(*range.end()));
                self.problem(key, format!("{} is not between {least} and {most}", units::Size(size)));
                default
            }
            Err(why) => {
                self.problem(key, why);
                default
            }
        }
    }

    /// A length of time within a range.
    pub(super) fn duration(&mut self, key: &str, default: Duration, range: RangeInclusive<Duration>) -> Duration {
        let Some(text) = self.text(key) else { return default };
        match units::parse_duration(&text) {
            Ok(duration) if range.contains(&duration) => duration,
            Ok(duration) => {
                self.problem(key, format!("{duration:?} is not between {:?} and {:?}", range.start(), range.end()));
                default
            }
            Err(why) => {
                self.problem(key, why);
                default
            }
        }
    }
}
