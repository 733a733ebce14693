//! The Postgres store keeps the contract.

mod fixture;

use artos_store_conformance::store_tests;

use fixture::Node;

store_tests!(Node::new);
