//! The private cluster: PostgreSQL from the system's own binaries, under the data directory, on a unix socket
//! that nobody else can reach. Made on the first start, found again on the next.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    os::unix::{net::UnixStream, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

use rustix::{
    io::Errno,
    process::{Pid, WaitOptions, test_kill_process, wait},
};
use secrecy::SecretString;
use sha2::{Digest, Sha256};

use crate::Url;

/// The oldest major version of the server that is used.
const OLDEST_MAJOR: u32 = 15;
/// What of a server's programs is used.
const PROGRAMS: [&str; 5] = ["postgres", "initdb", "pg_ctl", "psql", "createdb"];
/// A unix socket's path may have 107 bytes; the file is called `.s.PGSQL.5432`.
const LONGEST_SOCKET_DIR: usize = 90;

/// How much a crash may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// What was committed stays.
    Full,
    /// For tests: fast, and broken by a crash of the machine.
    Throwaway,
}

/// A running private cluster.
#[derive(Debug)]
pub struct Cluster {
    bin: PathBuf,
    data: PathBuf,
    socket: PathBuf,
    user: Option<SystemUser>,
    durability: Durability,
    /// Held by whoever starts or stops the server; true once it is stopped for good.
    is_stopped: Mutex<bool>,
}

/// The unprivileged account that the server runs as when we are root, which PostgreSQL refuses to be.
#[derive(Clone, Copy, Debug)]
struct SystemUser {
    uid: u32,
    gid: u32,
}

/// Why there is no cluster; the message says what the operator can do.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error(
        "no PostgreSQL server of version {OLDEST_MAJOR} or newer was found. Install it (Debian: apt-get install \
         postgresql-15 postgresql-15-postgis-3) or set DATABASE_URL"
    )]
    NoServer,
    #[error(
        "we are root and PostgreSQL refuses to be, but there is no user postgres or nobody to run it as"
    )]
    NoUser,
    #[error("{what}: {source}")]
    Io { what: String, source: io::Error },
    #[error("{program} failed:\n{output}")]
    Program {
        program: &'static str,
        output: String,
    },
}

impl Cluster {
    /// Finds or makes the cluster of the data directory `dir` and starts it if it does not run.
    ///
    /// # Errors
    /// When there is no server to use, or it does not start; with its own words.
    pub fn start(dir: &Path, durability: Durability) -> Result<Self, ClusterError> {
        let bin = find_binaries()?;
        fs::create_dir_all(dir)
            .map_err(|e| io_error(format!("{} can't be made", dir.display()), e))?;
        let dir = dir
            .canonicalize()
            .map_err(|e| io_error(format!("{} can't be read", dir.display()), e))?;
        let user = server_user()?;
        let home = home_of(&dir, user);
        let cluster = Self::at(&home, bin, user, durability);
        cluster.prepare_dirs(&home)?;
        if !cluster.data.join("PG_VERSION").exists() {
            cluster.init()?;
        }
        // a server whose starter has ended becomes ours: only a parent can bury it, and until then it is taken for running
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        cluster.run()?;
        Ok(cluster)
    }

    fn at(home: &Path, bin: PathBuf, user: Option<SystemUser>, durability: Durability) -> Self {
        Self {
            bin,
            data: home.join("pg"),
            socket: socket_dir(home),
            user,
            durability,
            is_stopped: Mutex::new(false),
        }
    }

    /// Whether the data directory `dir` has a cluster, running or not.
    pub fn is_in(dir: &Path) -> bool {
        let Ok(dir) = dir.canonicalize() else {
            return false;
        };
        let home = server_user().map(|user| home_of(&dir, user));
        home.is_ok_and(|home| home.join("pg/PG_VERSION").exists())
    }

    /// The owner's URL of the cluster of `dir`, for whoever comes beside the house that runs it; none where nothing runs.
    pub fn url_in(dir: &Path) -> Option<Url> {
        let dir = dir.canonicalize().ok()?;
        let socket = socket_dir(&home_of(&dir, server_user().ok()?));
        let door = socket.join(".s.PGSQL.5432");
        UnixStream::connect(door).ok()?;
        Some(url_at(&socket, "noren"))
    }

    /// Whether the server's first process lives. It stops all others when it dies.
    pub fn is_running(&self) -> bool {
        bury();
        let file = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        let pid = file.lines().next().and_then(|line| line.parse().ok());
        pid.and_then(Pid::from_raw)
            .is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
    }

    /// Starts a server anew that died, unless it was stopped meanwhile.
    ///
    /// # Errors
    /// When it does not start; with its own words.
    pub fn start_again(&self) -> Result<(), ClusterError> {
        let is_stopped = self.is_stopped.lock();
        let is_stopped = is_stopped.unwrap_or_else(PoisonError::into_inner);
        if *is_stopped { Ok(()) } else { self.run() }
    }

    /// Stops and removes the cluster of `dir` with everything in it; nothing else of `dir` is touched.
    ///
    /// # Errors
    /// When files can't be removed.
    pub fn remove(dir: &Path) -> Result<(), ClusterError> {
        let Ok(dir) = dir.canonicalize() else {
            return Ok(());
        };
        let user = server_user()?;
        let home = home_of(&dir, user);
        let data = home.join("pg");
        if data.join("PG_VERSION").exists() {
            let cluster = Self::at(&home, find_binaries()?, user, Durability::Full);
            // one that does not run can't be stopped, which is just as well
            let _ = cluster.pg(
                "pg_ctl",
                &["stop", "-D", &text(&data), "-m", "immediate", "-w", "-s"],
            );
        }
        for path in [data, socket_dir(&home)] {
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error(
                        format!("{} can't be removed", path.display()),
                        error,
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The owner's URL.
    pub fn url(&self) -> Url {
        self.url_of("noren")
    }

    /// The owner's URL of another database in this cluster.
    pub fn url_of(&self, database: &str) -> Url {
        url_at(&self.socket, database)
    }

    /// Stops the cluster for good; connections are closed, commits are kept.
    ///
    /// # Errors
    /// When the server does not stop.
    pub fn stop(&self) -> Result<(), ClusterError> {
        let is_stopped = self.is_stopped.lock();
        let mut is_stopped = is_stopped.unwrap_or_else(PoisonError::into_inner);
        *is_stopped = true;
        if !self.is_running() {
            return Ok(());
        }
        self.pg(
            "pg_ctl",
            &["stop", "-D", &text(&self.data), "-m", "fast", "-w", "-s"],
        )
    }

    fn prepare_dirs(&self, home: &Path) -> Result<(), ClusterError> {
        for path in [home, &self.data, &self.socket] {
            fs::create_dir_all(path)
                .map_err(|e| io_error(format!("{} can't be made", path.display()), e))?;
        }
        for path in [&self.data, &self.socket] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(|e| {
                io_error(format!("{} can't be closed to others", path.display()), e)
            })?;
            if let Some(user) = self.user {
                std::os::unix::fs::chown(path, Some(user.uid), Some(user.gid)).map_err(|e| {
                    io_error(
                        format!("{} can't be given to the server's user", path.display()),
                        e,
                    )
                })?;
            }
        }
        Ok(())
    }

    fn init(&self) -> Result<(), ClusterError> {
        // trust is safe behind a socket directory that only the server's user and root can enter
        self.pg(
            "initdb",
            &[
                "-D",
                &text(&self.data),
                "-U",
                "noren_owner",
                "--locale=C.UTF-8",
                "--encoding=UTF8",
                "--auth=trust",
                "--no-instructions",
            ],
        )
        .inspect_err(|_| {
            // a half-made cluster would be taken for a whole one next time
            let _ = fs::remove_dir_all(&self.data);
        })
    }

    fn run(&self) -> Result<(), ClusterError> {
        if self
            .pg("pg_ctl", &["status", "-D", &text(&self.data)])
            .is_err()
        {
            let fast = match self.durability {
                // what was planned when the tables of a young house were empty is planned anew before it hurts
                Durability::Full => "-c autovacuum_naptime=5s",
                Durability::Throwaway => {
                    "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"
                }
            };
            let options = format!(
                "-k '{}' -c listen_addresses='' -c max_connections=300 -c shared_buffers=256MB -c jit=off {fast}",
                self.socket.display()
            );
            let log = text(&self.data.join("server.log"));
            self.pg(
                "pg_ctl",
                &[
                    "start",
                    "-D",
                    &text(&self.data),
                    "-w",
                    "-s",
                    "-l",
                    &log,
                    "-o",
                    &options,
                ],
            )
            .map_err(|error| {
                let tail = fs::read_to_string(&log).unwrap_or_default();
                let tail: Vec<&str> = tail.lines().rev().take(8).collect();
                match error {
                    ClusterError::Program { program, output } => ClusterError::Program {
                        program,
                        output: tail
                            .into_iter()
                            .rev()
                            .fold(output, |all, line| all + "\n" + line),
                    },
                    other => other,
                }
            })?;
        }
        self.ensure_database()
    }

    fn ensure_database(&self) -> Result<(), ClusterError> {
        let socket = text(&self.socket);
        let found = self.output(
            "psql",
            &[
                "-h",
                &socket,
                "-U",
                "noren_owner",
                "-d",
                "postgres",
                "-XAtc",
                "select 1 from pg_database where datname = 'noren'",
            ],
        )?;
        if found.trim() == "1" {
            return Ok(());
        }
        self.pg("createdb", &["-h", &socket, "-U", "noren_owner", "noren"])
    }

    fn pg(&self, program: &'static str, args: &[&str]) -> Result<(), ClusterError> {
        self.output(program, args).map(drop)
    }

    fn output(&self, program: &'static str, args: &[&str]) -> Result<String, ClusterError> {
        let mut command = Command::new(self.bin.join(program));
        command
            .args(args)
            .stdin(Stdio::null())
            .env("LC_ALL", "C.UTF-8")
            // else the server's processes give memory back after each transaction, and take it anew for the next
            .env("MALLOC_TRIM_THRESHOLD_", "134217728")
            .env("MALLOC_TOP_PAD_", "4194304")
            .current_dir("/");
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid);
        }
        // pg_ctl's server inherits our pipes and would keep them open, so output goes through a file
        let log = tempfile(program)?;
        let out = log
            .1
            .try_clone()
            .map_err(|e| io_error("a log can't be opened".to_owned(), e))?;
        let err = log
            .1
            .try_clone()
            .map_err(|e| io_error("a log can't be opened".to_owned(), e))?;
        let status = command
            .stdout(out)
            .stderr(err)
            .process_group(0) // ctrl-c is for us; we stop the server when we are done
            .status()
            .map_err(|e| io_error(format!("{program} can't be run"), e))?;
        let output = fs::read_to_string(&log.0).unwrap_or_default();
        let _ = fs::remove_file(&log.0);
        if status.success() {
            Ok(output)
        } else {
            Err(ClusterError::Program { program, output })
        }
    }
}

/// The directory of the newest server's programs.
fn find_binaries() -> Result<PathBuf, ClusterError> {
    let installed = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let major: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((major, entry.path().join("bin")))
        });
    let on_path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .filter_map(|dir| Some((major_of(&dir.join("postgres"))?, dir)))
        .collect::<Vec<_>>();
    on_path
        .into_iter()
        .chain(installed)
        .filter(|(major, bin)| {
            *major >= OLDEST_MAJOR && PROGRAMS.iter().all(|program| bin.join(program).exists())
        })
        .max_by_key(|(major, _)| *major)
        .map(|(_, bin)| bin)
        .ok_or(ClusterError::NoServer)
}

fn major_of(postgres: &Path) -> Option<u32> {
    let output = Command::new(postgres).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace()
        .nth(2)?
        .split('.')
        .next()?
        .parse()
        .ok()
}

fn url_at(socket: &Path, database: &str) -> Url {
    let socket: String =
        url::form_urlencoded::byte_serialize(socket.as_os_str().as_encoded_bytes()).collect();
    SecretString::from(format!(
        "postgres://noren_owner@localhost/{database}?host={socket}"
    ))
}

/// Takes note of all children of this process that have ended; the server's are its own once their parent is dead. Nothing else
/// runs programs while a cluster is kept.
fn bury() {
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

/// Whom the server runs as: us, unless we are root.
fn server_user() -> Result<Option<SystemUser>, ClusterError> {
    if rustix::process::geteuid().is_root() {
        unprivileged_user().map(Some)
    } else {
        Ok(None)
    }
}

fn unprivileged_user() -> Result<SystemUser, ClusterError> {
    let passwd = fs::read_to_string("/etc/passwd")
        .map_err(|e| io_error("/etc/passwd can't be read".to_owned(), e))?;
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| user_in(&passwd, name))
        .ok_or(ClusterError::NoUser)
}

fn user_in(passwd: &str, name: &str) -> Option<SystemUser> {
    let line = passwd
        .lines()
        .find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some(SystemUser {
        uid: fields.next()?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
    })
}

/// Where the cluster lives: in `dir`, or, when the server's user may not walk there (such as below /root),
/// in a place of its own under /var/lib that belongs to this `dir` alone.
fn home_of(dir: &Path, user: Option<SystemUser>) -> PathBuf {
    if user.is_none() || dir.ancestors().all(others_may_walk) {
        return dir.to_path_buf();
    }
    Path::new("/var/lib/noren").join(short_hash(dir))
}

fn others_may_walk(dir: &Path) -> bool {
    dir.metadata().is_ok_and(|meta| meta.mode() & 0o001 != 0)
}

fn socket_dir(home: &Path) -> PathBuf {
    let near = home.join("sock");
    if near.as_os_str().len() <= LONGEST_SOCKET_DIR {
        near
    } else {
        std::env::temp_dir().join(format!("noren-{}", short_hash(home)))
    }
}

fn short_hash(path: &Path) -> String {
    hex::encode(Sha256::digest(path.as_os_str().as_encoded_bytes()))
        .chars()
        .take(16)
        .collect()
}

fn tempfile(program: &str) -> Result<(PathBuf, fs::File), ClusterError> {
    let path = std::env::temp_dir().join(format!(
        "noren-{program}-{}-{:?}.log",
        std::process::id(),
        std::thread::current().id()
    ));
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .map_err(|e| io_error(format!("{} can't be made", path.display()), e))?;
    Ok((path, file))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn io_error(what: String, source: io::Error) -> ClusterError {
    ClusterError::Io { what, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_user_is_read_from_the_password_file() {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\npostgres:x:107:113:,,,:/var/lib/postgresql:/bin/bash\n";
        let user = user_in(passwd, "postgres").unwrap();
        assert_eq!((user.uid, user.gid), (107, 113));
        assert!(user_in(passwd, "post").is_none());
    }

    #[test]
    fn a_long_path_gets_a_short_socket() {
        assert_eq!(
            socket_dir(Path::new("/srv/noren/var")),
            Path::new("/srv/noren/var/sock")
        );
        let long = PathBuf::from(format!("/{}", "x".repeat(120)));
        assert!(socket_dir(&long).as_os_str().len() <= LONGEST_SOCKET_DIR);
    }
}
