use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{Gauge, Script};
use crate::epoch::{Mark, SharedEpochs, Token};
use crate::fault::Fault;
use crate::vocab::{OriginalId, Originals};

/// Marks that instances share. Nobody is told when one changes: an announcement is played by the test.
#[derive(Default)]
pub struct FakeEpochs {
    ended: Mutex<HashMap<OriginalId, Token>>,
    script: Mutex<Script>,
    /// Tokens given so far.
    pub tokens: Gauge,
}

impl FakeEpochs {
    /// No mark yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What operations do from now on.
    pub fn script(&self, script: Script) {
        *self.script.lock().expect("no test panics inside a fake") = script;
    }

    /// The token of the replacement of this number, counted from one.
    pub fn token(number: usize) -> Token {
        Token::of_replacement((number as u64) << 32)
    }

    /// The mark of an original at this moment, whatever the script.
    pub fn current(&self, original: &OriginalId) -> Mark {
        let ended = self.ended.lock().expect("no test panics inside a fake");
        let token = |id: &OriginalId| ended.get(id).copied().unwrap_or_default();
        Mark { bucket: token(&OriginalId::new(original.bucket())), own: token(original) }
    }

    /// Another instance ends the epochs of originals, whatever the script.
    pub fn end_elsewhere(&self, originals: &Originals) -> Token {
        self.tokens.increment();
        let token = Self::token(self.tokens.get());
        self.ended.lock().expect("no test panics inside a fake").insert(name_of(originals), token);
        token
    }

    async fn play(&self) -> Result<(), Fault> {
        let script = self.script.lock().expect("no test panics inside a fake").clone();
        script.play().await
    }
}

#[async_trait]
impl SharedEpochs for FakeEpochs {
    async fn mark(&self, original: &OriginalId) -> Result<Mark, Fault> {
        self.play().await?;
        Ok(self.current(original))
    }

    async fn end(&self, originals: &Originals) -> Result<Token, Fault> {
        self.play().await?;
        Ok(self.end_elsewhere(originals))
    }

    async fn recall(&self, originals: &Originals) -> Result<(), Fault> {
        self.play().await?;
        let mut ended = self.ended.lock().expect("no test panics inside a fake");
        let token = ended.entry(name_of(originals)).or_default();
        *token = token.recalled();
        Ok(())
    }
}

fn name_of(originals: &Originals) -> OriginalId {
    match originals {
        Originals::One(original) => original.clone(),
        Originals::Beginning(text) => OriginalId::new(originals.bucket().unwrap_or(text)),
    }
}
