//! Where deliveries may go: no request of a caller reaches the network this service is in.
//!
//! A URL is checked when it is given and again at every attempt, and the addresses that were
//! checked are the ones that are connected to: names are resolved once, by the filtering resolver.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures::future::BoxFuture;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{Semaphore, oneshot};
use url::{Host, Url};

use crate::spawn;

/// Longest URL, in bytes.
const URL_BYTES_MAX: usize = 2_048;

/// Longest time a name may take to resolve while a caller waits for the answer to a request.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(2);

/// How many names may be looked up at a time for callers, and how long one of them may take. The
/// system's resolver takes a thread for each, however long ago whoever asked went away; so somebody
/// whose names resolve slowly could take all threads.
const LOOKUPS_MAX: usize = 32;
const LOOKUP_PATIENCE: Duration = Duration::from_secs(60);

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// Networks of IPv4 that are not the public internet (IANA's registry of special purposes).
const BLOCKED_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

/// Networks of IPv6 that are not the public internet, or that lead into IPv4.
const BLOCKED_V6: [Ipv6Net; 13] = [
    // Unspecified, loopback, and the old way to embed IPv4.
    v6(0, 0, 0, 96),
    v6(0x64, 0xff9b, 0, 96),
    v6(0x64, 0xff9b, 1, 48),
    v6(0x100, 0, 0, 64),
    v6(0x2001, 0, 0, 23),
    v6(0x2001, 0xdb8, 0, 32),
    v6(0x2002, 0, 0, 16),
    v6(0x3fff, 0, 0, 20),
    v6(0x5f00, 0, 0, 16),
    v6(0xfc00, 0, 0, 7),
    v6(0xfe80, 0, 0, 10),
    v6(0xfec0, 0, 0, 10),
    v6(0xff00, 0, 0, 8),
];

/// Finds the addresses of a host name.
pub(crate) type Lookup =
    Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Asks the system's resolver.
pub(crate) fn system_lookup() -> Lookup {
    Arc::new(|host| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// Decides where deliveries may go.
#[derive(Clone)]
pub(crate) struct Guard {
    /// Networks that the operator trusts, though they are not public.
    pub(crate) allowed: Vec<IpNet>,
    pub(crate) lookup: Lookup,
    /// Room for lookups while callers wait.
    lookups: Arc<Semaphore>,
}

/// Why a URL cannot be delivered to; made to be shown to the caller, so it names no address that
/// the service found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("is no URL")]
    NoUrl,
    #[error("is longer than 2048 bytes")]
    TooLong,
    #[error("must begin with https://")]
    Scheme,
    #[error("must not contain a user name or password")]
    UserInfo,
    #[error("must use port 443, or one from 1024")]
    Port,
    #[error("leads to an address that is not public")]
    Address,
}

impl Guard {
    /// Lets deliveries to the public internet only.
    pub(crate) fn new(lookup: Lookup) -> Self {
        Self { allowed: Vec::new(), lookup, lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) }
    }

    /// Checks everything about a URL that can be seen without asking anybody.
    pub(crate) fn parse(&self, text: &str) -> Result<Url, Refused> {
        if text.len() > URL_BYTES_MAX {
            return Err(Refused::TooLong);
        }
        // Parsers differ in what they make of these, so nobody gets to see them.
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err(Refused::NoUrl);
        }
        let url = Url::parse(text).map_err(|_| Refused::NoUrl)?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(Refused::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
            return Err(Refused::UserInfo);
        }
        let is_secure = url.scheme() == "https";
        // The well-known port of the other scheme is a mistake, or a probe of somebody's server.
        match (url.port_or_known_default(), is_secure) {
            (Some(443), true) | (Some(80), false) | (Some(1024..), _) => {}
            _ => return Err(Refused::Port),
        }
        match url.host() {
            // Odd notations (decimal, octal, hexadecimal, shortened) are normal addresses by now.
            Some(Host::Ipv4(address)) => self.check(address.into(), is_secure)?,
            Some(Host::Ipv6(address)) => self.check(address.into(), is_secure)?,
            Some(Host::Domain(_)) if !is_secure && self.allowed.is_empty() => {
                return Err(Refused::Scheme);
            }
            Some(Host::Domain(name)) if !name.is_empty() => {}
            _ => return Err(Refused::NoUrl),
        }
        Ok(url)
    }

    /// Checks a URL that a caller gives, and what its name stands for now. A name that does not
    /// resolve yet, or for which there is no room, is no reason to refuse it: each attempt looks
    /// again.
    pub(crate) async fn admit(&self, text: &str) -> Result<(), Refused> {
        let url = self.parse(text)?;
        let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
        let Ok(room) = Arc::clone(&self.lookups).try_acquire_owned() else { return Ok(()) };
        let looked_up = (self.lookup)(name.to_owned());
        let (tell, told) = oneshot::channel();
        // Beside, so that the room is taken for as long as the lookup goes on.
        spawn::beside(async move {
            if let Ok(Ok(found)) = tokio::time::timeout(LOOKUP_PATIENCE, looked_up).await {
                // The caller may have gone.
                let _ = tell.send(found);
            }
            drop(room);
        });
        match tokio::time::timeout(RESOLVE_PATIENCE, told).await {
            Ok(Ok(found)) => self.check_all(&found, url.scheme() == "https"),
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }

    /// One blocked address spoils all: whoever answers with both hopes for the wrong one.
    fn check_all(&self, found: &[IpAddr], is_secure: bool) -> Result<(), Refused> {
        found.iter().try_for_each(|address| self.check(*address, is_secure))
    }

    /// Checks one address. Without TLS only the operator's own networks can be reached.
    fn check(&self, address: IpAddr, is_secure: bool) -> Result<(), Refused> {
        let canonical = address.to_canonical();
        if self.allowed.iter().any(|net| net.contains(&canonical)) {
            return Ok(());
        }
        if is_blocked(canonical) {
            return Err(Refused::Address);
        }
        if is_secure { Ok(()) } else { Err(Refused::Scheme) }
    }

    /// Returns a resolver for connections that only ever names addresses that may be connected to.
    pub(crate) fn resolver(&self, is_secure: bool) -> Arc<dyn Resolve> {
        Arc::new(Filtering { guard: self.clone(), is_secure })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("allowed", &self.allowed).finish_non_exhaustive()
    }
}

/// Returns whether an address, in its canonical form, is not on the public internet.
fn is_blocked(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => BLOCKED_V4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => BLOCKED_V6.iter().any(|net| net.contains(&address)),
    }
}

/// Resolves names for connections, and refuses those that lead astray.
struct Filtering {
    guard: Guard,
    is_secure: bool,
}

impl Resolve for Filtering {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, is_secure) = (self.guard.clone(), self.is_secure);
        Box::pin(async move {
            let found = (guard.lookup)(name.as_str().to_owned()).await?;
            guard.check_all(&found, is_secure)?;
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
