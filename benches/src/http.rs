//! The status endpoint beside a bare axum route.

pub(crate) async fn compare(_: u64, _: u32, _: u32) -> anyhow::Result<()> {
    anyhow::bail!("not yet")
}
