//! Tokens: how an agent shows the hub who it is.
//!
//! A token is `hh_`, 43 base62 digits of 32 random bytes, and 6 more that are a checksum: the first 4 bytes of the
//! SHA-256 of all that stands before them. A secret scanner finds one by `\bhh_[0-9A-Za-z]{49}\b`, and knows by the
//! checksum that it is one. The hub keeps the SHA-256 of the whole text only, in `DATA/tokens.json`, so that a copy
//! of the data directory lets nobody in.
//!
//! Whoever adds or revokes holds `DATA/tokens.lock` from reading to renaming, so that two cannot lose each other's
//! change. A running hub looks at the file before each request and takes over what has changed.

mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use handoff_kernel::ident::{AgentId, Digest};
use handoff_kernel::time::Time;
use handoff_kernel::timestamp::Rfc3339;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::{ambient, files};
pub use secret::{Secret, is_token};

/// The file in the data directory.
const FILE: &str = "tokens.json";

/// The format of `tokens.json` that this hub writes and knows.
const FORMAT: u64 = 1;

/// A rotation needs the old token and the new one; a third is a leftover that nobody watches.
const LIVE_AN_AGENT: usize = 2;

/// More than this is no list of tokens that this file format was made for.
const FILE_LIMIT: u64 = 16 * 1024 * 1024;

/// What a token lets its agent do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Start handoffs.
    Send,
    /// Poll, accept, complete and reject.
    Receive,
    /// Look at what is not its own.
    Observe,
}

impl Scope {
    /// Its name in `tokens.json` and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Receive => "receive",
            Self::Observe => "observe",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Send, Self::Receive, Self::Observe];
        all.into_iter().find(|scope| scope.name() == text).ok_or("a scope is send, receive or observe")
    }
}

/// What is kept of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its public name, to revoke it by: `t.` and 8 hex digits. No agent's name has a point in it.
    pub id: String,
    /// Whose it is.
    pub agent: AgentId,
    /// The SHA-256 of its text.
    pub sha256: Digest,
    /// What it is good for.
    pub scopes: BTreeSet<Scope>,
    /// When it was made, as RFC 3339: for people.
    pub created_at: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Format {
    format: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    format: u64,
    tokens: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    agent: String,
    sha256: String,
    scopes: BTreeSet<Scope>,
    created_at: String,
}

impl Entry {
    fn read(self) -> Option<Token> {
        let agent = AgentId::parse(&self.agent).ok()?;
        let sha256 = Digest::from_hex(&self.sha256)?;
        Some(Token { id: self.id, agent, sha256, scopes: self.scopes, created_at: self.created_at })
    }

    fn of(token: &Token) -> Self {
        Self {
            id: token.id.clone(),
            agent: token.agent.to_string(),
            sha256: token.sha256.to_string(),
            scopes: token.scopes.clone(),
            created_at: token.created_at.clone(),
        }
    }
}

/// Why tokens cannot be read or changed.
#[derive(Debug)]
pub enum TokenError {
    /// The file, its lock or its directory cannot be used.
    File(PathBuf, io::Error),
    /// The file is not what this hub writes.
    Unreadable(PathBuf, String),
    /// A newer hub wrote the file.
    Format(PathBuf, u64),
    /// There is no such data directory.
    NoDirectory(PathBuf),
    /// The agent has as many as it may have, in this data directory.
    Enough(PathBuf, AgentId, Vec<String>),
    /// There is no token of this id, and no agent of this name that has one, in this data directory.
    NoSuch(PathBuf, String),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(
                f,
                "{} cannot be used: {error}. Give a data directory that this user may write with --data.",
                path.display()
            ),
            Self::Unreadable(path, error) => {
                write!(
                    f,
                    "{} is not a list of tokens: {error}. Mend it, or move it away and add tokens anew.",
                    path.display()
                )
            }
            Self::Format(path, found) => write!(
                f,
                "{} has format {found}, and this hub knows format {FORMAT} only; use the hub that wrote it, or a newer one.",
                path.display()
            ),
            Self::NoDirectory(data) => {
                write!(f, "There is no data directory {}; give the hub's with --data.", data.display())
            }
            Self::Enough(data, agent, ids) => write!(
                f,
                "{agent} has {} live tokens ({}), and more are not kept; revoke one first: handoff-hub token revoke {} --data {}",
                ids.len(),
                ids.join(", "),
                ids.first().map_or("ID", String::as_str),
                quoted(data)
            ),
            Self::NoSuch(data, name) => {
                write!(
                    f,
                    "There is no token {name:?}, and no agent of that name has one; see: handoff-hub token list --data {}",
                    quoted(data)
                )
            }
        }
    }
}

impl std::error::Error for TokenError {}

/// A path as a word of a shell's command line.
#[must_use]
pub fn quoted(path: &Path) -> String {
    let word = path.to_string_lossy();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-/+:=@%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// A token that was just made.
#[derive(Debug)]
pub struct Added {
    /// Its public name.
    pub id: String,
    /// Its text.
    pub secret: Secret,
}

/// The file of tokens in a data directory, to be changed.
#[derive(Debug)]
pub struct TokenFile {
    data: PathBuf,
}

impl TokenFile {
    /// The file in this data directory; it need not be there yet.
    #[must_use]
    pub const fn in_directory(data: PathBuf) -> Self {
        Self { data }
    }

    /// Makes a token for an agent, and gives out its text, this once.
    ///
    /// # Errors
    /// When the agent has two already, or the file cannot be changed.
    pub fn add(&self, agent: AgentId, scopes: BTreeSet<Scope>, now: Time) -> Result<Added, TokenError> {
        let no_chance = |error| TokenError::File("The source of random numbers".into(), error);
        let secret = Secret::new(ambient::random().map_err(no_chance)?);
        let id: [u8; 4] = ambient::random().map_err(no_chance)?;
        let id = id.iter().fold("t.".to_owned(), |id, byte| id + &format!("{byte:02x}"));
        let failed = |error| TokenError::File(self.data.clone(), error);
        files::private_directory(&self.data).map_err(failed)?;
        self.change(|tokens| {
            let ids: Vec<_> = tokens.iter().filter(|t| t.agent == agent).map(|t| t.id.clone()).collect();
            if ids.len() >= LIVE_AN_AGENT {
                return Err(TokenError::Enough(self.data.clone(), agent, ids));
            }
            let sha256 = Digest::of(secret.reveal().as_bytes());
            let created_at = Rfc3339(now).to_string();
            tokens.push(Token { id: id.clone(), agent, sha256, scopes, created_at });
            Ok(Added { id, secret })
        })
    }

    /// Revokes the token of this id, or all of the agent of this name; returns those that were revoked.
    ///
    /// # Errors
    /// When there is none, or the file cannot be changed.
    pub fn revoke(&self, name: &str) -> Result<Vec<Token>, TokenError> {
        self.exists()?;
        self.change(|tokens| {
            let (gone, kept) =
                std::mem::take(tokens).into_iter().partition(|t| t.id == name || t.agent.as_str() == name);
            *tokens = kept;
            let gone: Vec<Token> = gone;
            if gone.is_empty() {
                Err(TokenError::NoSuch(self.data.clone(), name.to_owned()))
            } else {
                Ok(gone)
            }
        })
    }

    /// The live tokens, in the order in which they were made.
    ///
    /// # Errors
    /// When there is no such directory, or the file is there and cannot be read.
    pub fn list(&self) -> Result<Vec<Token>, TokenError> {
        self.exists()?;
        read(&self.path())
    }

    /// Only a hub and its first token make a directory: a misspelt one is not to be made by looking at it.
    fn exists(&self) -> Result<(), TokenError> {
        if self.data.is_dir() { Ok(()) } else { Err(TokenError::NoDirectory(self.data.clone())) }
    }

    fn path(&self) -> PathBuf {
        self.data.join(FILE)
    }

    /// Reads, changes and replaces the file under its lock.
    fn change<R>(
        &self,
        change: impl FnOnce(&mut Vec<Token>) -> Result<R, TokenError>,
    ) -> Result<R, TokenError> {
        let failed = |error| TokenError::File(self.data.clone(), error);
        let lock = self.data.join("tokens.lock");
        // Held until this returns.
        let _lock = files::lock(&lock, FlockOperation::LockExclusive).map_err(failed)?;
        let mut tokens = read(&self.path())?;
        let result = change(&mut tokens)?;
        let contents = Contents { format: FORMAT, tokens: tokens.iter().map(Entry::of).collect() };
        let mut text = serde_json::to_vec_pretty(&contents).expect("strings and numbers are JSON");
        text.push(b'\n');
        // Durable: a token that was given out works after a power cut.
        files::replace(&self.data, FILE, "tokens.json.new", &text).map_err(failed)?;
        Ok(result)
    }
}

/// The tokens in a file; none when it is not there.
fn read(path: &Path) -> Result<Vec<Token>, TokenError> {
    let failed = |error| TokenError::File(path.to_owned(), error);
    let unreadable = |why: String| TokenError::Unreadable(path.to_owned(), why);
    let text = match files::read(path, FILE_LIMIT) {
        Ok(Some((text, _))) => text,
        Ok(None) => return Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(unreadable(error.to_string()));
        }
        Err(error) => return Err(failed(error)),
    };
    let format: Format = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    if format.format != FORMAT {
        return Err(TokenError::Format(path.to_owned(), format.format));
    }
    let contents: Contents = serde_json::from_slice(&text).map_err(|error| unreadable(error.to_string()))?;
    let read = |(n, entry): (usize, Entry)| {
        let why = || unreadable(format!("the agent or the sha256 of token number {} is not legal", n + 1));
        entry.read().ok_or_else(why)
    };
    contents.tokens.into_iter().enumerate().map(read).collect()
}

/// Who somebody is, by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The authenticated agent.
    pub agent: AgentId,
    /// What its token is good for.
    pub scopes: BTreeSet<Scope>,
}

/// What a file looked like: it is another one when any of these differs.
type Stamp = (u64, u64, i64, i64, u64);

/// The live tokens, as a running hub knows them.
#[derive(Debug)]
pub struct Registry {
    path: PathBuf,
    /// None when there is no file.
    seen: Option<Stamp>,
    /// What could not be read, and was told.
    told: Option<Option<Stamp>>,
    by_hash: BTreeMap<Digest, Grant>,
    agents: BTreeSet<AgentId>,
}

impl Registry {
    /// Reads the tokens of a data directory.
    ///
    /// # Errors
    /// When the file is there and is not a list of tokens: a hub does not start on what it cannot understand.
    pub fn open(data: &Path) -> Result<Self, TokenError> {
        let path = data.join(FILE);
        let seen = stamp(&path).map_err(|error| TokenError::File(path.clone(), error))?;
        let mut registry = Self { seen, told: None, by_hash: BTreeMap::new(), agents: BTreeSet::new(), path };
        let tokens = read(&registry.path)?;
        registry.take(tokens);
        Ok(registry)
    }

    /// Takes over what has changed since. What cannot be understood changes nothing, and is told once: better the
    /// tokens of a minute ago than an outage.
    ///
    /// # Errors
    /// Why the last good list is still in force.
    pub fn refresh(&mut self) -> Result<(), TokenError> {
        // Before reading: a change in between is seen the next time.
        let now = stamp(&self.path).unwrap_or(self.seen);
        if now == self.seen {
            return Ok(());
        }
        match read(&self.path) {
            Ok(tokens) => {
                (self.seen, self.told) = (now, None);
                self.take(tokens);
                Ok(())
            }
            // It is read again until it can be, or has changed again.
            Err(_) if self.told == Some(now) => Ok(()),
            Err(error) => {
                self.told = Some(now);
                Err(error)
            }
        }
    }

    /// Whose token this is.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<&Grant> {
        if is_token(text) { self.by_hash.get(&Digest::of(text.as_bytes())) } else { None }
    }

    /// Whether the hub knows an agent: it has a live token.
    #[must_use]
    pub fn knows(&self, agent: &AgentId) -> bool {
        self.agents.contains(agent)
    }

    /// Whether nobody has a token.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    fn take(&mut self, tokens: Vec<Token>) {
        self.agents = tokens.iter().map(|token| token.agent).collect();
        let grant = |token: Token| (token.sha256, Grant { agent: token.agent, scopes: token.scopes });
        self.by_hash = tokens.into_iter().map(grant).collect();
    }
}

fn stamp(path: &Path) -> io::Result<Option<Stamp>> {
    match path.symlink_metadata() {
        Ok(about) => Ok(Some((about.dev(), about.ino(), about.mtime(), about.mtime_nsec(), about.len()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn agent(name: &str) -> AgentId {
        AgentId::parse(name).unwrap()
    }

    fn both() -> BTreeSet<Scope> {
        BTreeSet::from([Scope::Send, Scope::Receive])
    }

    fn add(file: &TokenFile, name: &str) -> String {
        file.add(agent(name), both(), Time(0)).unwrap().secret.reveal().to_owned()
    }

    #[test]
    fn only_the_hash_is_kept_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::in_directory(dir.path().join("new"));
        let secret = add(&file, "alice");
        let path = dir.path().join("new/tokens.json");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            !text.contains(&secret) && text.contains(&Digest::of(secret.as_bytes()).to_string()),
            "{text}"
        );
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_is_no_plain_file_is_neither_read_nor_written_through() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::in_directory(dir.path().to_owned());
        let (elsewhere, new) = (dir.path().join("elsewhere"), dir.path().join("tokens.json.new"));
        std::fs::write(&elsewhere, "untouched").unwrap();
        std::os::unix::fs::symlink(&elsewhere, new).unwrap();
        add(&file, "alice");
        assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "untouched");

        let path = dir.path().join("tokens.json");
        std::fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(file.list().is_err() && Registry::open(dir.path()).is_err(), "a link");
        std::fs::remove_file(&path).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, 0o600.into(), 0).unwrap();
        assert!(
            file.list().unwrap_err().to_string().contains("tokens.json"),
            "a fifo, which nobody waits for"
        );
    }

    #[test]
    fn looking_makes_no_directory() {
        let dir = tempfile::tempdir().unwrap();
        let nowhere = dir.path().join("no where");
        let file = TokenFile::in_directory(nowhere.clone());
        for told in [file.list().unwrap_err(), file.revoke("alice").unwrap_err()] {
            assert!(told.to_string().contains("There is no data directory"), "{told}");
        }
        assert!(!nowhere.exists());
        add(&file, "alice");
        let told = file.revoke("bob").unwrap_err().to_string();
        assert!(told.ends_with(&format!("token list --data '{}'", nowhere.display())), "{told}");
    }

    #[test]
    fn an_agent_has_two_tokens_at_most_and_each_can_be_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let file = TokenFile::in_directory(dir.path().to_owned());
        let (first, second) = (add(&file, "alice"), add(&file, "alice"));
        let told = file.add(agent("alice"), both(), Time(0)).unwrap_err().to_string();
        let ids: Vec<_> = file.list().unwrap().into_iter().map(|token| token.id).collect();
        assert!(told.contains(&format!("token revoke {}", ids[0])), "{told}");
        add(&file, "bob");

        assert_eq!(file.revoke(&ids[0]).unwrap().len(), 1);
        let registry = Registry::open(dir.path()).unwrap();
        assert_eq!(registry.find(&first), None);
        assert_eq!(registry.find(&second).unwrap().agent, agent("alice"));
        let third = add(&file, "alice");
        assert_eq!(file.revoke("alice").unwrap().len(), 2);
        let registry = Registry::open(dir.path()).unwrap();
        assert!(registry.find(&second).is_none() && registry.find(&third).is_none());
        assert!(!registry.knows(&agent("alice")) && registry.knows(&agent("bob")) && !registry.is_empty());
        let told = file.revoke("alice").unwrap_err().to_string();
        assert!(told.contains("\"alice\"") && told.contains("token list"), "{told}");
    }

    #[test]
    fn a_running_hub_takes_over_what_changes_and_keeps_the_last_good_list() {
        let dir = tempfile::tempdir().unwrap();
        let mut registry = Registry::open(dir.path()).unwrap();
        assert!(registry.is_empty());
        let file = TokenFile::in_directory(dir.path().to_owned());
        let secret = add(&file, "alice");
        assert_eq!(registry.find(&secret), None, "nothing is looked at unasked");
        registry.refresh().unwrap();
        assert_eq!(registry.find(&secret).unwrap().scopes, both());

        std::fs::write(dir.path().join("tokens.json"), "half a fi").unwrap();
        assert!(registry.refresh().unwrap_err().to_string().contains("tokens.json is not a list of tokens"));
        assert!(registry.refresh().is_ok(), "told once");
        assert!(registry.find(&secret).is_some());
        std::fs::write(dir.path().join("tokens.json"), "{\"format\":2,\"more\":[]}").unwrap();
        let told = registry.refresh().unwrap_err().to_string();
        assert!(told.contains("has format 2, and this hub knows format 1 only"), "{told}");
        assert!(Registry::open(dir.path()).is_err(), "a hub does not start on it");
        assert!(file.add(agent("bob"), both(), Time(0)).is_err(), "and nobody writes over it");

        std::fs::remove_file(dir.path().join("tokens.json")).unwrap();
        registry.refresh().unwrap();
        assert!(registry.is_empty());
    }

    #[test]
    fn tokens_added_at_once_are_all_there() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let data = dir.path().to_owned();
                scope.spawn(move || add(&TokenFile::in_directory(data), &format!("agent-{n}")));
            }
        });
        assert_eq!(Registry::open(dir.path()).unwrap().agents.len(), 8);
    }

    #[test]
    fn a_scope_reads_back_from_its_name() {
        for scope in [Scope::Send, Scope::Receive, Scope::Observe] {
            assert_eq!(scope.name().parse(), Ok(scope));
            assert_eq!(serde_json::to_string(&scope).unwrap(), format!("\"{}\"", scope.name()));
        }
        assert!("admin".parse::<Scope>().is_err());
    }
}
