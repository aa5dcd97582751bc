use crate::vocab::{ObjectKey, ObjectMeta};

/// Which entries of a store are asked for.
///
/// Entries are keys and, with a delimiter, the common prefixes that stand for all keys which go on after it. They are
/// ordered by the bytes of their text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListRequest {
    /// Only keys that begin with it; empty for all.
    pub prefix: String,
    /// Keys in which it follows somewhere after `prefix` are told as one common prefix, up to and with it. Never empty.
    pub delimiter: Option<String>,
    /// Only entries after this text, itself not included. [`ListPage::next`] of the page before goes here.
    pub start_after: Option<String>,
    /// Entries in the page at most; one or more.
    pub max_keys: usize,
}

/// Some entries of a store, and where the next ones begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// The objects, in order.
    pub objects: Vec<Listed>,
    /// The common prefixes, in order.
    pub prefixes: Vec<String>,
    /// What to start after for the next page; `None` when this is the last.
    pub next: Option<String>,
}

/// One object of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub key: ObjectKey,
    /// What a listing tells of it: length, validator and time. A store may leave type and headers out.
    pub meta: ObjectMeta,
}

/// A page while it is put together from the keys of a store in their order.
#[derive(Debug)]
pub struct PageDraft<'a> {
    request: &'a ListRequest,
    page: ListPage,
    /// The entry told last.
    last: String,
    /// The common prefix met last, told or before the page.
    rolled_up: String,
    full: bool,
}

/// What a key means for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is to be added by [`PageDraft::add`].
    Object,
    /// It adds nothing more: it lies outside, or a common prefix stands for it.
    Elsewhere,
    /// The page is full without it; it belongs to the next.
    NextPage,
}

impl<'a> PageDraft<'a> {
    /// An empty page.
    pub fn new(request: &'a ListRequest) -> Self {
        Self { request, page: ListPage::default(), last: String::new(), rolled_up: String::new(), full: false }
    }

    /// Judges the next key.
    pub fn place(&mut self, key: &str) -> Place {
        let Some(rest) = key.strip_prefix(self.request.prefix.as_str()) else { return Place::Elsewhere };
        if self.is_rolled_up(key) {
            return Place::Elsewhere;
        }
        let delimiter = self.request.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let rolled_up = delimiter.and_then(|delimiter| rest.find(delimiter).map(|at| at + delimiter.len()));
        let entry = rolled_up.map_or(key, |end| &key[..self.request.prefix.len() + end]);
        if rolled_up.is_some() {
            entry.clone_into(&mut self.rolled_up);
        }
        if self.request.start_after.as_deref().is_some_and(|start| entry <= start) {
            return Place::Elsewhere;
        }
        if self.page.objects.len() + self.page.prefixes.len() >= self.request.max_keys {
            self.full = true;
            return Place::NextPage;
        }
        if rolled_up.is_none() {
            return Place::Object;
        }
        entry.clone_into(&mut self.last);
        self.page.prefixes.push(entry.to_owned());
        Place::Elsewhere
    }

    /// Adds the object whose key was judged last.
    pub fn add(&mut self, key: ObjectKey, meta: ObjectMeta) {
        key.as_str().clone_into(&mut self.last);
        self.page.objects.push(Listed { key, meta });
    }

    /// Whether the common prefix met last stands for all keys that begin with `text`.
    pub fn is_rolled_up(&self, text: &str) -> bool {
        !self.rolled_up.is_empty() && text.starts_with(&self.rolled_up)
    }

    /// The page.
    pub fn finish(self) -> ListPage {
        ListPage { next: self.full.then_some(self.last), ..self.page }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 8] = ["a", "a-b", "a/", "a/b", "a/c/d", "b/x", "c", "ü/1"];

    fn list(request: &ListRequest) -> ListPage {
        let mut draft = PageDraft::new(request);
        for key in KEYS {
            match draft.place(key) {
                Place::Object => draft.add(ObjectKey::new(key), ObjectMeta::default()),
                Place::Elsewhere => {}
                Place::NextPage => break,
            }
        }
        draft.finish()
    }

    /// All entries in order, gathered page by page; prefixes are marked.
    fn walk(prefix: &str, delimiter: Option<&str>, max_keys: usize) -> Vec<String> {
        let delimiter = delimiter.map(str::to_owned);
        let mut request = ListRequest { prefix: prefix.to_owned(), delimiter, start_after: None, max_keys };
        let mut entries = Vec::new();
        loop {
            let page = list(&request);
            let mut told: Vec<_> = page.objects.iter().map(|listed| listed.key.to_string()).collect();
            told.extend(page.prefixes.iter().map(|prefix| format!("{prefix}*")));
            told.sort();
            assert!(told.len() <= max_keys);
            entries.extend(told);
            match page.next {
                Some(next) => request.start_after = Some(next),
                None => return entries,
            }
        }
    }

    #[test]
    fn pages_of_every_size_tell_every_entry_once_and_in_order() {
        for size in 1..10 {
            assert_eq!(walk("", None, size), KEYS, "{size}");
            assert_eq!(walk("", Some("/"), size), ["a", "a-b", "a/*", "b/*", "c", "ü/*"], "{size}");
            assert_eq!(walk("a/", Some("/"), size), ["a/", "a/b", "a/c/*"], "{size}");
            assert_eq!(walk("a", Some("-"), size), ["a", "a-*", "a/", "a/b", "a/c/d"], "{size}");
        }
    }

    #[test]
    fn a_page_that_holds_the_last_entry_has_no_next() {
        let request = ListRequest { max_keys: KEYS.len(), ..ListRequest::default() };
        assert_eq!(list(&request).next, None);
        let request = ListRequest { max_keys: KEYS.len() - 1, ..ListRequest::default() };
        assert_eq!(list(&request).next.as_deref(), Some("c"));
    }

    #[test]
    fn a_start_that_is_no_entry_is_only_a_place_in_the_order() {
        let request = ListRequest {
            start_after: Some("a/b/no".to_owned()),
            delimiter: Some("/".to_owned()),
            max_keys: 9,
            ..ListRequest::default()
        };
        assert_eq!(list(&request).prefixes, ["b/", "ü/"], "a/ comes before it");
    }
}
