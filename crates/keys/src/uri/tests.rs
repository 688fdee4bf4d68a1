use super::*;

fn uri(text: &str) -> KeyUri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> UriError {
    text.parse::<KeyUri>().expect_err(text)
}

#[test]
fn a_bare_path_is_a_file_and_a_file_can_have_any_name() {
    for (text, path) in [
        ("key.pem", "key.pem"),
        ("/etc/key.pem", "/etc/key.pem"),
        ("./odd:name", "./odd:name"),
        ("dir/odd:name", "dir/odd:name"),
        ("a:b", "a:b"),
        ("file:key.pem", "key.pem"),
        ("file:/etc/k%20.pem", "/etc/k%20.pem"),
        ("file:tpm:handle", "tpm:handle"),
    ] {
        assert_eq!(uri(text), KeyUri::File(path.into()), "{text}");
        assert_eq!(uri(&uri(text).to_string()), uri(text), "{text}");
    }
    assert_eq!(uri("key.pem").resolved(Path::new("/etc")), uri("/etc/key.pem"));
}

#[test]
fn an_unknown_scheme_is_not_a_file() {
    assert_eq!(refused("pksc11:object=a"), UriError::Scheme("pksc11".into()));
    assert_eq!(refused("PKCS11:object=a"), UriError::Scheme("PKCS11".into()));
    assert_eq!(refused("https://host/key"), UriError::Scheme("https".into()));
    assert_eq!(refused("file:///etc/key"), UriError::FileAuthority);
    assert_eq!(refused(""), UriError::Empty);
    assert_eq!(refused("file:"), UriError::Empty);
}

#[test]
fn a_token_s_key_is_named_as_in_rfc_7512() {
    let text = "pkcs11:token=The%20token;manufacturer=Snake%20Oil,%20Inc.;serial=;object=my-key;\
                type=private;id=%69%95?module-path=/usr/lib/p11.so&pin-source=file:/etc/pin";
    assert!(matches!(refused(text), UriError::Value { .. }), "an empty serial matches nothing");
    let KeyUri::Pkcs11(found) = uri(&text.replace("serial=;", "")) else { panic!() };
    assert_eq!(found.token.as_deref(), Some("The token"));
    assert_eq!(found.manufacturer.as_deref(), Some("Snake Oil, Inc."));
    assert_eq!(found.object.as_deref(), Some("my-key"));
    assert_eq!(found.id.as_deref(), Some(&[0x69, 0x95][..]));
    assert_eq!(found.module_path.as_deref(), Some(Path::new("/usr/lib/p11.so")));
    assert_eq!(found.pin_source.as_deref(), Some(Path::new("/etc/pin")));
    let written = found.to_string();
    assert_eq!(
        written,
        "pkcs11:token=The%20token;manufacturer=Snake%20Oil,%20Inc.;object=my-key;id=%69%95\
         ?module-path=/usr/lib/p11.so&pin-source=/etc/pin"
    );
    assert_eq!(uri(&written), KeyUri::Pkcs11(found));
}

#[test]
fn what_a_token_s_name_must_not_say_is_refused_by_name() {
    assert_eq!(refused("pkcs11:object=a?pin-value=1234"), UriError::PinValue);
    assert!(!refused("pkcs11:object=a?pin-value=1234").to_string().contains("1234"));
    assert!(matches!(refused("pkcs11:token=t"), UriError::Lacks(_)));
    assert!(matches!(refused("pkcs11:"), UriError::Lacks(_)));
    assert_eq!(refused("pkcs11:object=a;object=b"), UriError::Twice("object".into()));
    assert!(matches!(refused("pkcs11:object=a;label=b"), UriError::Unknown { .. }));
    assert!(matches!(refused("pkcs11:object=a?module-name=x"), UriError::Unknown { .. }));
    assert!(matches!(refused("pkcs11:object=a;type=public"), UriError::Value { .. }));
    assert!(matches!(refused("pkcs11:object=a?module-path=lib.so"), UriError::Value { .. }));
    assert!(matches!(refused("pkcs11:object=a?pin-source=|sh"), UriError::Value { .. }));
    for text in ["pkcs11:object=a b", "pkcs11:object=%4", "pkcs11:object=%+4", "pkcs11:object=%ff"]
    {
        assert!(matches!(refused(text), UriError::Percent(_)), "{text}");
    }
    assert_eq!(refused("pkcs11:object"), UriError::NotPair("object".into()));
    assert_eq!(refused("pkcs11:object=a;"), UriError::NotPair(String::new()));
}

#[test]
fn a_key_in_a_tpm_is_a_handle() {
    let device = uri("tpm:handle=0x81010001");
    let object = TpmObject::Key(0x8101_0001);
    assert_eq!(device, KeyUri::Tpm(TpmUri { object, tcti: None }));
    let text = "tpm:handle=0x81010001?tcti=swtpm:host=127.0.0.1,port=2321";
    let tcti = Some(Tcti::Swtpm { host: "127.0.0.1".into(), port: 2321 });
    assert_eq!(uri(text), KeyUri::Tpm(TpmUri { object, tcti }));
    assert_eq!(uri(text).to_string(), text);
    let text = "tpm:handle=0x81010001?tcti=device:/dev/tpm0";
    assert_eq!(uri(text).to_string(), text);
    for text in [
        "tpm:handle=81010001",
        "tpm:handle=0x80000001",
        "tpm:handle=0x81800000",
        "tpm:handle=0x181010001",
        "tpm:handle=0x+1010001",
        "tpm:handle=0x81010001?tcti=mssim:host=h,port=1",
        "tpm:handle=0x81010001?tcti=device:tpm0",
        "tpm:handle=0x81010001?tcti=swtpm:host=h",
        "tpm:handle=0x81010001?tcti=swtpm:host=h,port=70000",
    ] {
        assert!(matches!(refused(text), UriError::Value { .. }), "{text}");
    }
    assert!(matches!(refused("tpm:"), UriError::Lacks(_)));
    assert!(matches!(refused("tpm:0x81010001"), UriError::NotPair(_)));
    let both = "tpm:handle=0x81010001;nv=0x01500016";
    assert_eq!(refused(both), UriError::Twice("handle or nv".into()));
}

#[test]
fn a_counter_is_no_key() {
    assert_eq!(refused("tpm:nv=0x01500016"), UriError::CounterNotKey);
    let counter: TpmUri = "tpm:nv=0x1500016".parse().expect("a counter");
    assert_eq!(counter.to_string(), "tpm:nv=0x01500016");
    let key = "tpm:handle=0x81010001".parse::<TpmUri>();
    assert_eq!(key.expect_err("a key"), UriError::KeyNotCounter);
    assert!("counter".parse::<TpmUri>().is_err());
}
