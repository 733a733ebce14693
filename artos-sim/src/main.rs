//! Runs seeds: `artos-sim run --help` explains.
fn main() {
    let first: u64 = std::env::args().nth(1).and_then(|a| a.parse().ok()).unwrap_or(1);
    let n: u64 = std::env::args().nth(2).and_then(|a| a.parse().ok()).unwrap_or(100);
    let start = std::time::Instant::now();
    let mut fails = 0;
    for seed in first..first + n {
        let o = artos_sim::Options::of(seed);
        let a = artos_sim::run(&o, &artos_sim::memory, artos_sim::Keep::Result);
        if n < 200 { let b = artos_sim::run(&o, &artos_sim::memory, artos_sim::Keep::Result);
        if a.hash != b.hash { println!("seed {seed} HASH differs"); for i in 0..2 { let c = artos_sim::run(&o, &artos_sim::memory, artos_sim::Keep::Everything); std::fs::write(format!("/tmp/run{i}"), c.lines.iter().map(|(t,l)| format!("{t:?} {l}\n")).collect::<String>()).unwrap(); } } }
        if !a.findings.is_empty() { fails += 1; if fails < 20 { println!("seed {seed}: {} findings, first {}", a.findings.len(), a.findings[0]); } }
        if n == 1 { let c = artos_sim::run(&o, &artos_sim::memory, artos_sim::Keep::Everything); println!("{}", artos_sim::tell(&o, &c)); println!("{:?} {:?}", c.tally, c.lasted); }
    }
    println!("{n} seeds, {fails} failed, {:?}", start.elapsed());
}
