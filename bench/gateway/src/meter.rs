use std::{fs, time::Duration};

use anyhow::{Context, Result};

/// Linux counts a process's time in hundredths of a second, see proc(5).
const TICK_MICROS: f64 = 10_000.0;

/// A process, and the parent of others that work for it.
#[derive(Clone, Copy)]
pub(crate) struct Pids {
    pub(crate) own: u32,
    pub(crate) database: Option<u32>,
}

/// Processor time in ticks.
pub(crate) struct Cpu {
    own: u64,
    database: u64,
}

impl Cpu {
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            own: self.own.saturating_sub(before.own),
            database: self.database.saturating_sub(before.database),
        }
    }
}

/// The time that processes have used so far.
pub(crate) fn cpu(pids: Pids) -> Result<Cpu> {
    let own = Stat::of(pids.own).context("a process that is measured has ended")?;
    let mut database = 0;
    if let Some(parent) = pids.database {
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let pid = name.to_str().and_then(|name| name.parse().ok());
            if let Some(stat) = pid.and_then(Stat::of)
                && stat.parent == parent
            {
                database += stat.ticks;
            }
        }
    }
    Ok(Cpu {
        own: own.ticks,
        database,
    })
}

/// What is read of a process.
pub(crate) struct Stat {
    pub(crate) parent: u32,
    ticks: u64,
}

impl Stat {
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // the name may hold spaces; what follows its bracket are the state and numbers
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(1);
        let parent = fields.next()?.parse().ok()?;
        let mut times = fields.skip(9);
        let user: u64 = times.next()?.parse().ok()?;
        let system: u64 = times.next()?.parse().ok()?;
        Some(Self {
            parent,
            ticks: user + system,
        })
    }
}

pub(crate) struct Round {
    pub(crate) lasted: Duration,
    pub(crate) times: Vec<Duration>,
    pub(crate) cpu: Cpu,
}

/// What several rounds come to; times in milliseconds, processor time in microseconds a call.
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) cpu: f64,
    pub(crate) cpu_with_database: f64,
}

impl Figures {
    pub(crate) fn of(rounds: &[Round]) -> Self {
        let mut times: Vec<f64> = rounds
            .iter()
            .flat_map(|round| &round.times)
            .map(|time| time.as_secs_f64() * 1000.0)
            .collect();
        times.sort_by(f64::total_cmp);
        let lasted: f64 = rounds.iter().map(|round| round.lasted.as_secs_f64()).sum();
        let at = |share: usize| {
            times
                .get(times.len() * share / 100)
                .copied()
                .unwrap_or_default()
        };
        let calls = f64::from(u32::try_from(times.len()).unwrap_or(u32::MAX));
        let micros = |ticks: u64| f64::from(u32::try_from(ticks).unwrap_or(u32::MAX)) * TICK_MICROS;
        let own: u64 = rounds.iter().map(|round| round.cpu.own).sum();
        let database: u64 = rounds.iter().map(|round| round.cpu.database).sum();
        Self {
            per_second: calls / lasted,
            p50: at(50),
            p99: at(99),
            cpu: micros(own) / calls,
            cpu_with_database: micros(own + database) / calls,
        }
    }
}
