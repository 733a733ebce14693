//! How often callers may call: a quota for each organization, and one for each unknown address.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use artos_core::Name;
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{
    DefaultKeyedRateLimiter, RateLimiter, clock::Clock, middleware::StateInformationMiddleware,
};

use crate::{
    Caller,
    error::{Problem, ProblemKind},
};

pub(crate) const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// After so many calls the quotas of those who have not called for long are forgotten.
const CALLS_BETWEEN_SWEEPS: u32 = 4_096;

/// So many requests in so much time. They may come all at once; then they come back evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many requests.
    pub requests: NonZeroU32,
    /// In how much time; whole seconds, at least one.
    pub window: Duration,
}

impl Quota {
    /// So many requests a minute.
    #[must_use]
    pub const fn per_minute(requests: NonZeroU32) -> Self {
        Self { requests, window: Duration::from_secs(60) }
    }

    fn seconds(self) -> u64 {
        self.window.as_secs().max(1)
    }

    /// How long one request takes to come back.
    fn period(self) -> Duration {
        let period = Duration::from_secs(self.seconds()) / self.requests.get();
        period.max(Duration::from_nanos(1))
    }
}

/// How often callers may call, counted in each process by itself.
///
/// What is beyond a quota is answered 429, with `Retry-After`; every answer says in `RateLimit` and
/// `RateLimit-Policy` how much is left.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests of an organization that change something. Default: 600 a minute.
    pub submit: Quota,
    /// All other requests of an organization. Default: 6,000 a minute.
    pub poll: Quota,
    /// Refused credentials from one address, or one /64 of IPv6. Default: 60 a minute. It needs to
    /// be known where requests come from: [`serve`](crate::serve) says so, and so does axum's
    /// `into_make_service_with_connect_info`. Behind a proxy all come from there.
    pub unknown: Quota,
}

impl Default for Limits {
    fn default() -> Self {
        let per_minute =
            |requests: u32| Quota::per_minute(NonZeroU32::MIN.saturating_add(requests - 1));
        Self { submit: per_minute(600), poll: per_minute(6_000), unknown: per_minute(60) }
    }
}

/// One policy with its counts.
struct Policy<K: std::hash::Hash + Eq + Clone> {
    name: &'static str,
    quota: Quota,
    limiter: DefaultKeyedRateLimiter<K, StateInformationMiddleware>,
    calls: AtomicU32,
}

/// What a policy says about one more request.
struct Standing {
    is_within: bool,
    remaining: u32,
    /// Until the quota is whole again; beyond it, until one more request is taken.
    seconds: u64,
}

impl<K: std::hash::Hash + Eq + Clone> Policy<K> {
    fn new(name: &'static str, quota: Quota) -> Self {
        // Only a period of zero is refused, and it is not zero.
        let pace = governor::Quota::with_period(quota.period())
            .unwrap_or_else(|| governor::Quota::per_second(quota.requests))
            .allow_burst(quota.requests);
        let limiter = RateLimiter::keyed(pace).with_middleware::<StateInformationMiddleware>();
        Self { name, quota, limiter, calls: AtomicU32::new(0) }
    }

    fn count(&self, key: &K) -> Standing {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        if calls.is_multiple_of(CALLS_BETWEEN_SWEEPS) {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key(key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let spent = self.quota.requests.get().saturating_sub(remaining);
                Standing { is_within: true, remaining, seconds: whole(self.quota.period() * spent) }
            }
            Err(until) => {
                let wait = until.wait_time_from(self.limiter.clock().now());
                Standing { is_within: false, remaining: 0, seconds: whole(wait).max(1) }
            }
        }
    }

    fn write(&self, standing: &Standing, headers: &mut HeaderMap) {
        let (name, Standing { remaining, seconds, .. }) = (self.name, standing);
        let (requests, window) = (self.quota.requests, self.quota.seconds());
        for (header, text) in [
            (RATE_LIMIT_POLICY, format!("\"{name}\";q={requests};w={window}")),
            (RATE_LIMIT, format!("\"{name}\";r={remaining};t={seconds}")),
        ] {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(header, value);
            }
        }
    }

    fn refuse(&self, standing: &Standing) -> Response {
        let detail = format!(
            "the quota `{}` of {} requests in {} seconds is used up",
            self.name,
            self.quota.requests,
            self.quota.seconds()
        );
        let problem = Problem::new(ProblemKind::QuotaExceeded, detail)
            .retry_after(standing.seconds)
            .violating(self.name);
        let mut response = problem.into_response();
        self.write(standing, response.headers_mut());
        response
    }
}

fn whole(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// The counts of everybody.
pub(crate) struct Limiter {
    submit: Policy<Option<Name>>,
    poll: Policy<Option<Name>>,
    unknown: Policy<IpAddr>,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            submit: Policy::new("submit", limits.submit),
            poll: Policy::new("poll", limits.poll),
            unknown: Policy::new("unknown", limits.unknown),
        }
    }

    /// Counts a refusal of credentials; the answer is another one when there were too many.
    pub(crate) fn after_refusal(&self, extensions: &Extensions, problem: Problem) -> Response {
        let address = extensions.get::<ConnectInfo<SocketAddr>>();
        let Some(ConnectInfo(address)) = address else { return problem.into_response() };
        let standing = self.unknown.count(&neighbourhood(address.ip()));
        if standing.is_within { problem.into_response() } else { self.unknown.refuse(&standing) }
    }
}

/// Returns the address that stands for all that whoever has this one can have as well: with IPv6, a
/// whole network of 64 bits is given to each.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Limiter")
    }
}

/// Lets a known caller through to the route while the quota lasts.
pub(crate) async fn enforce(
    State(limiter): State<Arc<Limiter>>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    let policy = if is_reading { &limiter.poll } else { &limiter.submit };
    let standing = policy.count(&caller.organization().cloned());
    if !standing.is_within {
        return policy.refuse(&standing);
    }
    let mut response = next.run(request).await;
    policy.write(&standing, response.headers_mut());
    response
}
