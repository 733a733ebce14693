//! A file of a document, as it comes.

use std::time::Duration;

use axum::http::header;
use bytes::{Bytes, BytesMut};
use futures::{Stream, stream};
use reqwest::Response;
use tokio::time::timeout;

use super::error::ClientError;

/// A file that is on its way. What breaks off now is not asked for again: start over.
#[derive(Debug)]
pub struct Download {
    response: Response,
    /// Longest time without a byte.
    idle_max: Duration,
}

impl Download {
    pub(super) const fn new(response: Response, idle_max: Duration) -> Self {
        Self { response, idle_max }
    }

    /// Returns what the service says the file is.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.response.headers().get(header::CONTENT_TYPE)?.to_str().ok()
    }

    /// Returns how many bytes will come, if the service says so.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// Returns the next bytes; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`ClientError::Transport`] or [`ClientError::TimedOut`] if the file breaks off.
    ///
    /// # Cancel safety
    ///
    /// No byte is lost if the future is dropped.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ClientError> {
        let chunk = timeout(self.idle_max, self.response.chunk()).await;
        chunk.map_err(|_| ClientError::TimedOut(self.idle_max))?.map_err(ClientError::Transport)
    }

    /// Returns all of the file.
    ///
    /// # Errors
    ///
    /// [`ClientError::TooLarge`] if there are more bytes than `bytes_max`; otherwise as
    /// [`chunk`](Self::chunk).
    pub async fn bytes(mut self, bytes_max: usize) -> Result<Bytes, ClientError> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if chunk.len() > bytes_max.saturating_sub(all.len()) {
                return Err(ClientError::TooLarge { limit: bytes_max });
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    /// Returns the file as a stream of bytes, which ends with the first error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, ClientError>> + Send + 'static {
        stream::unfold(Some(self), |download| async move {
            let mut download = download?;
            match download.chunk().await {
                Ok(chunk) => Some((Ok(chunk?), Some(download))),
                Err(error) => Some((Err(error), None)),
            }
        })
    }
}
