//! A kill between the end of a document and its delivery: the delivery is made all the same.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
};

use serde_json::Value;

use crate::{
    api::{Api, copy_samples, json_of},
    service::{Service, program, sled},
};

/// A request as a receiver reads it.
struct Request {
    stream: TcpStream,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    fn read(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.starts_with("POST /hook HTTP/1.1"), "{line}");
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        let request = Self { stream, headers, body: Vec::new() };
        let mut body = vec![0; request.header("content-length").parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        Self { body, ..request }
    }

    fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(found, _)| found == name);
        &found.unwrap_or_else(|| panic!("no {name}")).1
    }

    fn accept(mut self) {
        self.stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    }

    /// Checks the signature with an implementation that is not ours.
    fn verify(&self, secret: &str) {
        let theirs = standardwebhooks::Webhook::new(secret).unwrap();
        let seconds = self.header("webhook-timestamp").parse().unwrap();
        let expected = theirs.sign(self.header("webhook-id"), seconds, &self.body).unwrap();
        assert_eq!(self.header("webhook-signature"), expected);
    }
}

#[test]
fn a_kill_between_the_end_and_its_delivery_loses_neither() {
    let data = tempfile::tempdir().unwrap();
    copy_samples(data.path());
    let store = sled(data.path());
    let options = ["--webhook-network", "127.0.0.0/8"];
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", receiver.local_addr().unwrap());

    let service = Service::start(program(), &store, &options);
    let api = Api::new(service.address);
    let id = api.generate_and_tell(&url);
    // The service waits for the receiver's answer, and never gets it.
    let first = Request::read(&receiver);
    assert_eq!(api.finished(&id)["status"], "Complete");
    service.kill();

    let service = Service::start(program(), &store, &options);
    let again = Request::read(&receiver);
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("webhook-id"), first.header("webhook-id"));
    let event: Value = json_of(&again.body);
    assert_eq!(event["task_id"], id);
    assert_eq!(event["status"], "Complete");
    assert_eq!(event["document_id"], id);
    let (_, secret) = Api::new(service.address).get("/api/v1/webhooks/requests/secret").unwrap();
    again.verify(json_of(&secret)["secret"].as_str().unwrap());
    again.accept();
    let (code, said) = service.stop();
    assert_eq!(code, Some(0), "{said:?}");
}

#[test]
fn without_the_operators_word_the_own_machine_gets_no_webhooks() {
    let data = tempfile::tempdir().unwrap();
    copy_samples(data.path());
    let service = Service::start(program(), &sled(data.path()), &[]);
    let api = Api::new(service.address);
    let refused = api.try_generate_and_tell("http://127.0.0.1:9/hook");
    assert_eq!(refused.0, 422, "{}", refused.1);
    assert_eq!(refused.1["errors"][0]["pointer"], "/webhook");
}
