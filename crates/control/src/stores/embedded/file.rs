//! What the file of an embedded store looks like, and how it is read and written.
//!
//! Two tables: `targets` holds key -> expiry (8 bytes, little endian, 0 = never) + target as text;
//! `expiry` holds (expiry, key), so that what has ended is found without reading everything. Both change
//! in the same transaction. After an I/O error the database refuses to go on until it is opened again,
//! so the handle is dropped then and the next use opens it anew.

use std::collections::HashMap;
use std::fmt;
use std::io::ErrorKind;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use narrows_gateway::clock;
use narrows_gateway::lookup::{Cached, Outcome, Table};
use narrows_gateway::target::Target;
use narrows_wire::Time;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::{Entry, OpenError};
use crate::stores::embedded::writer::Change;

const TARGETS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("targets");
const EXPIRY: TableDefinition<'_, (u64, &[u8]), ()> = TableDefinition::new("expiry");
/// Pages that the database keeps in memory. Small: the table holds what workers read.
const PAGE_CACHE_BYTES: usize = 32 << 20;
/// Distinct targets of which one copy is shared while loading; more are stored one by one.
const SHARED_TARGETS_MAX: usize = 65_536;

/// The file of an embedded store.
pub(super) struct File {
    path: PathBuf,
    database: RwLock<Option<Database>>,
    commits: AtomicU64,
}

/// The file could not be read or written, in words.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(super) struct FileError(Arc<str>);

/// What a value of `targets` says.
struct Value<'a> {
    expires: Option<u64>,
    target: &'a str,
}

/// One copy of each target, however many keys have it.
#[derive(Default)]
struct Shared(HashMap<Box<str>, Arc<Target>>);

// === impl File ===

impl File {
    /// Opens or creates the file and puts all that has not ended into the table.
    pub(super) fn open(path: &Path, table: &Table) -> Result<Self, OpenError> {
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let file = Self::open_unchecked(path)?;
            file.load(table)?;
            Ok(file)
        }));
        // The database panics where pages contradict each other. Everything it touched is dropped.
        opened.unwrap_or_else(|_| {
            let detail = "its pages contradict each other".to_owned();
            Err(OpenError::Damaged { path: path.to_owned(), detail })
        })
    }

    fn open_unchecked(path: &Path) -> Result<Self, OpenError> {
        if let Some(directory) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).map_err(|e| OpenError::of_io(path, e))?;
        }
        let database = open_database(path)?;
        let database = RwLock::new(Some(database));
        Ok(Self { path: path.to_owned(), database, commits: AtomicU64::new(0) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn load(&self, table: &Table) -> Result<(), OpenError> {
        let damaged = |detail: String| OpenError::Damaged { path: self.path.clone(), detail };
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = guard.as_ref().expect("just opened");
        let read = database.begin_read().map_err(|e| damaged(e.to_string()))?;
        let targets = read.open_table(TARGETS).map_err(|e| damaged(e.to_string()))?;
        let rows = targets.iter().map_err(|e| damaged(e.to_string()))?;
        let (mut shared, wall, now) = (Shared::default(), wall_seconds(), clock::now());
        let mut problem = None;
        // One run over all rows: the table loads the faster, the more it is given at once.
        table.insert_many(
            rows.map_while(|row| {
                let read = row.map_err(|e| e.to_string()).and_then(|(key, value)| {
                    let (expires, target) = Value::read(value.value())
                        .and_then(|v| Some((v.expires, shared.target(v.target)?)))
                        .ok_or_else(|| format!("bad value for {:?}", lossy(key.value())))?;
                    let alive = expires.is_none_or(|at| at > wall);
                    Ok(alive.then(|| (key.value().to_vec(), cached(target, expires, wall, now))))
                });
                read.map_err(|detail| problem = Some(detail)).ok()
            })
            .flatten(),
        );
        problem.map_or(Ok(()), |detail| Err(damaged(detail)))
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Entry>, FileError> {
        self.reading(|database| {
            let targets = database.begin_read()?.open_table(TARGETS)?;
            let wall = wall_seconds();
            Ok(targets.get(key)?.and_then(|value| entry(key, value.value(), wall)))
        })
    }

    pub(super) fn list(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Entry>, FileError> {
        let first = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            Some(_) | None => Bound::Included(prefix),
        };
        self.reading(|database| {
            let targets = database.begin_read()?.open_table(TARGETS)?;
            let (wall, mut entries) = (wall_seconds(), Vec::new());
            for row in targets.range::<&[u8]>((first, Bound::Unbounded))? {
                let (key, value) = row?;
                if entries.len() == limit || !key.value().starts_with(prefix) {
                    break;
                }
                entries.extend(entry(key.value(), value.value(), wall));
            }
            Ok(entries)
        })
    }

    /// Makes these changes durable, all or none. Says for each whether the key was there before, and for a pin
    /// whether what was there stays.
    pub(super) fn commit(&self, changes: &[&Change]) -> Result<Vec<bool>, FileError> {
        self.writing(|transaction| {
            let mut targets = transaction.open_table(TARGETS)?;
            let mut expiry = transaction.open_table(EXPIRY)?;
            let mut existed = Vec::with_capacity(changes.len());
            for change in changes {
                let key = change.key();
                if let Change::Pin { replaces, .. } = change {
                    let before = targets.get(key)?;
                    let value = before.as_ref().and_then(|value| Value::read(value.value()));
                    if value.is_some_and(|value| value.withstands(replaces.as_deref())) {
                        existed.push(true);
                        continue;
                    }
                }
                let before = match change {
                    Change::Set { target, expires, .. } => {
                        if let Some(at) = expires {
                            expiry.insert((*at, key), ())?;
                        }
                        let value = Value::write(*expires, &target.to_string());
                        targets.insert(key, value.as_slice())?.map(|v| v.value().to_vec())
                    }
                    Change::Pin { target, expires, .. } => {
                        expiry.insert((*expires, key), ())?;
                        let value = Value::write(Some(*expires), &target.to_string());
                        targets.insert(key, value.as_slice())?.map(|v| v.value().to_vec())
                    }
                    Change::Remove { .. } => targets.remove(key)?.map(|v| v.value().to_vec()),
                };
                let ended = before.as_deref().and_then(Value::read).and_then(|v| v.expires);
                if ended.is_some() && ended != change.expires() {
                    expiry.remove((ended.unwrap_or_default(), key))?;
                }
                existed.push(before.is_some() && !matches!(change, Change::Pin { .. }));
            }
            Ok(existed)
        })
    }

    /// Removes up to `limit` entries whose time has passed. Returns their keys.
    pub(super) fn purge(&self, limit: usize) -> Result<Vec<Box<[u8]>>, FileError> {
        let wall = wall_seconds();
        let due = self.reading(|database| {
            let expiry = database.begin_read()?.open_table(EXPIRY)?;
            let mut due = Vec::new();
            for row in expiry.range(..=(wall, [].as_slice()))?.take(limit) {
                let (row, _) = row?;
                let (at, key) = row.value();
                due.push((at, Box::<[u8]>::from(key)));
            }
            Ok(due)
        })?;
        if due.is_empty() {
            return Ok(Vec::new());
        }
        self.writing(|transaction| {
            let mut targets = transaction.open_table(TARGETS)?;
            let mut expiry = transaction.open_table(EXPIRY)?;
            for (at, key) in &due {
                targets.remove(&**key)?;
                expiry.remove((*at, &**key))?;
            }
            Ok(())
        })?;
        Ok(due.into_iter().map(|(_, key)| key).collect())
    }

    fn reading<T>(
        &self,
        read: impl Fn(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, FileError> {
        self.reopen()?;
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = guard.as_ref().ok_or_else(|| self.error("it is closed"))?;
        let result = read(database);
        drop(guard);
        result.map_err(|error| self.failed(error))
    }

    fn writing<T>(
        &self,
        write: impl Fn(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, FileError> {
        self.reopen()?;
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = guard.as_ref().ok_or_else(|| self.error("it is closed"))?;
        let result = database.begin_write().map_err(redb::Error::from).and_then(|transaction| {
            let result = write(&transaction)?;
            transaction.commit()?;
            self.commits.fetch_add(1, Ordering::Relaxed);
            Ok(result)
        });
        drop(guard);
        result.map_err(|error| self.failed(error))
    }

    /// Opens the file again if an error closed it.
    fn reopen(&self) -> Result<(), FileError> {
        if self.database.read().unwrap_or_else(PoisonError::into_inner).is_some() {
            return Ok(());
        }
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if guard.is_none() {
            *guard = Some(open_database(&self.path).map_err(|e| FileError(e.to_string().into()))?);
        }
        Ok(())
    }

    /// After an I/O error nothing works until the file is opened again.
    fn failed(&self, error: redb::Error) -> FileError {
        if matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo) {
            *self.database.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        match &error {
            redb::Error::Io(e)
                if matches!(e.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) =>
            {
                self.error("its disk is full; free some space and try again")
            }
            redb::Error::Io(e) => self.error(&format!("{e}; nothing was changed")),
            other => self.error(&other.to_string()),
        }
    }

    fn error(&self, detail: &str) -> FileError {
        FileError(format!("can not use {}: {detail}", self.path.display()).into())
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({})", self.path.display())
    }
}

// === impl Value ===

impl<'a> Value<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (expires, target) = bytes.split_first_chunk::<8>()?;
        let expires = u64::from_le_bytes(*expires);
        Some(Self {
            expires: (expires != 0).then_some(expires),
            target: std::str::from_utf8(target).ok()?,
        })
    }

    /// Whether it stays when a pin comes that takes the place of `replaced`, or of nothing.
    fn withstands(&self, replaced: Option<&Target>) -> bool {
        self.expires.is_none_or(|at| at > wall_seconds())
            && replaced.is_none_or(|replaced| replaced.to_string() != self.target)
    }

    fn write(expires: Option<u64>, target: &str) -> Vec<u8> {
        let mut bytes = expires.unwrap_or(0).to_le_bytes().to_vec();
        bytes.extend_from_slice(target.as_bytes());
        bytes
    }
}

// === impl Shared ===

impl Shared {
    fn target(&mut self, text: &str) -> Option<Arc<Target>> {
        if let Some(target) = self.0.get(text) {
            return Some(target.clone());
        }
        let target = Arc::new(text.parse::<Target>().ok()?);
        if self.0.len() < SHARED_TARGETS_MAX {
            self.0.insert(text.into(), target.clone());
        }
        Some(target)
    }
}

/// The entry of a table. Workers honour its end by themselves.
pub(super) fn cached(target: Arc<Target>, expires: Option<u64>, wall: u64, now: Time) -> Cached {
    let fresh_until = match expires {
        Some(at) => now + Duration::from_secs(at.saturating_sub(wall)),
        None => Time::NEVER,
    };
    Cached { outcome: Outcome::Found(target), fresh_until }
}

/// Seconds since 1970.
pub(super) fn wall_seconds() -> u64 {
    clock::unix(clock::now()).as_secs()
}

fn entry(key: &[u8], value: &[u8], wall: u64) -> Option<Entry> {
    let value = Value::read(value).filter(|v| v.expires.is_none_or(|at| at > wall))?;
    Some(Entry { key: key.into(), target: value.target.into(), expires: value.expires })
}

fn lossy(key: &[u8]) -> String {
    String::from_utf8_lossy(key).into_owned()
}

fn open_database(path: &Path) -> Result<Database, OpenError> {
    let database = Database::builder()
        .set_cache_size(PAGE_CACHE_BYTES)
        .create(path)
        .map_err(|error| OpenError::of(path, error))?;
    // Both tables exist from now on, so a reader never meets a file without them.
    let made = (|| {
        let transaction = database.begin_write()?;
        transaction.open_table(TARGETS)?;
        transaction.open_table(EXPIRY)?;
        transaction.commit()?;
        Ok::<_, redb::Error>(())
    })();
    match made {
        Ok(()) => Ok(database),
        Err(redb::Error::Io(source)) => Err(OpenError::of_io(path, source)),
        Err(error) => Err(OpenError::Damaged { path: path.to_owned(), detail: error.to_string() }),
    }
}
