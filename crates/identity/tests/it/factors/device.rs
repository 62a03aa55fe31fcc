//! A device with passkeys, in place of a browser and its authenticator: it answers the options of the house as Web
//! Authentication says, or, where a test wants it, not quite so.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const HAS_KEY: u8 = 0x40;

pub(super) struct Device {
    /// What the browser says it shows.
    pub(super) origin: String,
    /// Whether its holder is asked for a PIN or a finger.
    pub(super) verifies: bool,
    pub(super) passkeys: Vec<Passkey>,
}

#[derive(Clone)]
pub(super) struct Passkey {
    pub(super) id: Vec<u8>,
    key: SigningKey,
    /// Whom it was made for; left out of answers when empty.
    pub(super) handle: Vec<u8>,
    pub(super) count: u32,
}

impl Device {
    pub(super) fn at(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            verifies: true,
            passkeys: Vec::new(),
        }
    }

    /// `navigator.credentials.create()`.
    pub(super) fn make(&mut self, options: &Value) -> Value {
        let wanted = &options["authenticatorSelection"];
        assert_eq!(
            (&wanted["residentKey"], &wanted["userVerification"]),
            (&json!("required"), &json!("required"))
        );
        let mut id = vec![0; 32];
        getrandom::fill(&mut id).unwrap();
        let mut scalar = [0; 32];
        getrandom::fill(&mut scalar).unwrap();
        let passkey = Passkey {
            id,
            key: SigningKey::from_slice(&scalar).unwrap(),
            handle: decode(&options["user"]["id"]),
            count: 0,
        };
        self.passkeys.push(passkey.clone());
        self.present(options, &passkey)
    }

    /// What `create()` answers for this passkey.
    pub(super) fn present(&self, options: &Value, passkey: &Passkey) -> Value {
        let mut data = self.data(&options["rp"]["id"], HAS_KEY, passkey.count);
        data.extend([0; 16]);
        data.extend([0, 32]);
        data.extend(&passkey.id);
        data.extend(public_key(&passkey.key));
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(data);
        json!({
            "id": encode(&passkey.id), "rawId": encode(&passkey.id), "type": "public-key",
            "authenticatorAttachment": "platform", "clientExtensionResults": { "credProps": { "rk": true } },
            "response": {
                "attestationObject": encode(&object), "transports": ["internal", "carrier-pigeon"],
                "clientDataJSON": encode(self.client_data("webauthn.create", options).as_bytes()),
            },
        })
    }

    /// `navigator.credentials.get()` with the newest passkey that is allowed.
    pub(super) fn use_one(&mut self, options: &Value) -> Value {
        let allowed: Vec<Vec<u8>> = options["allowCredentials"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| decode(&one["id"]))
            .collect();
        let at = self
            .passkeys
            .iter()
            .rposition(|passkey| allowed.is_empty() || allowed.contains(&passkey.id))
            .unwrap();
        self.passkeys[at].count += 1;
        let passkey = self.passkeys[at].clone();
        self.sign(options, &passkey)
    }

    /// What `get()` answers for this passkey.
    pub(super) fn sign(&self, options: &Value, passkey: &Passkey) -> Value {
        assert_eq!(options["userVerification"], "required");
        let data = self.data(&options["rpId"], 0, passkey.count);
        let client_data = self.client_data("webauthn.get", options);
        let mut signed = data.clone();
        signed.extend(Sha256::digest(client_data.as_bytes()));
        let signature: Signature = passkey.key.sign(&signed);
        let handle = (!passkey.handle.is_empty()).then(|| encode(&passkey.handle));
        json!({
            "id": encode(&passkey.id), "rawId": encode(&passkey.id), "type": "public-key", "clientExtensionResults": {},
            "response": {
                "authenticatorData": encode(&data), "clientDataJSON": encode(client_data.as_bytes()),
                "signature": encode(signature.to_der().as_bytes()), "userHandle": handle,
            },
        })
    }

    fn data(&self, host: &Value, flags: u8, count: u32) -> Vec<u8> {
        let verified = if self.verifies { VERIFIED } else { 0 };
        let mut data = Sha256::digest(host.as_str().unwrap()).to_vec();
        data.push(PRESENT | verified | flags);
        data.extend(count.to_be_bytes());
        data
    }

    fn client_data(&self, kind: &str, options: &Value) -> String {
        json!({ "type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": false }).to_string()
    }
}

/// The public half as a COSE key (RFC 9053): P-256 for ES256.
fn public_key(key: &SigningKey) -> Vec<u8> {
    let point = key.verifying_key().to_encoded_point(false);
    let (x, y) = (point.x().unwrap(), point.y().unwrap());
    let mut map = b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20".to_vec();
    map.extend(x);
    map.extend(b"\x22\x58\x20");
    map.extend(y);
    map
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}
