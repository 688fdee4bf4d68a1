//! UDI forms, order of events, signature scalars, digests, disclosures.

use firmlog_statement::disclosure::{Commitment, Commitments, Disclosure, DisclosureSet, FieldId};
use firmlog_statement::event::{EventType as T, Life};
use firmlog_statement::image::ImageDigests;
use firmlog_statement::udi::{Agency, Udi, UdiError};
use firmlog_statement::{
    Algorithm, Digest, PublicKey, StatementError, check_scalars, normalise_low_s,
};

#[test]
fn stm_050_gs1_golden() {
    let hrf = "(01)51022222233336(11)141231(17)150707(10)A213B1(21)1234";
    let raw = "]d201510222222333361114123117150707\
               10A213B1\u{1d}211234";
    for text in [hrf, raw] {
        let udi = Udi::parse(text).unwrap();
        assert_eq!((udi.agency, udi.original), (Agency::Gs1, text));
        assert_eq!((udi.di, udi.lot, udi.serial), ("51022222233336", Some("A213B1"), Some("1234")));
        assert_eq!(udi.manufactured.unwrap().day, 31);
        assert_eq!(udi.expires.unwrap().month, 7);
    }
    assert_eq!(Udi::parse("(01)51022222233337"), Err(UdiError::CheckDigit));
}

#[test]
fn stm_051_hibcc_check_character() {
    let body = "+A123BJC5D6E71/$$52001510X";
    let set = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%";
    let sum: usize = body.bytes().map(|b| set.iter().position(|c| *c == b).unwrap()).sum();
    let good = format!("{body}{}", char::from(set[sum % 43]));
    let udi = Udi::parse(&good).unwrap();
    assert_eq!((udi.agency, udi.di, udi.lot), (Agency::Hibcc, "A123BJC5D6E71", Some("10X")));
    let bad = format!("{body}{}", char::from(set[(sum + 1) % 43]));
    assert_eq!(Udi::parse(&bad), Err(UdiError::CheckCharacter));
}

#[test]
fn stm_052_iccbba() {
    let udi = Udi::parse("=/A9999XYZ100T0944=,000025=A99971312345600=>014032=}013032").unwrap();
    assert_eq!(
        (udi.agency, udi.di, udi.serial),
        (Agency::Iccbba, "A9999XYZ100T0944", Some("000025"))
    );
    assert_eq!(udi.donation, Some("A99971312345600"));
    assert_eq!(udi.expires.map(|d| (d.year, d.month, d.day)), Some((2014, 2, 1)));
}

/// The worked example of the UK blood services' Red Book, annex 2: G123 498 654 321 has
/// the check value 17.
#[test]
fn stm_052_donation_number_check() {
    let with = |flags: &str| format!("=/A9999XYZ100T0944=G123498654321{flags}");
    assert_eq!(Udi::parse(&with("77")).unwrap().donation, Some("G12349865432177"));
    assert_eq!(Udi::parse(&with("78")), Err(UdiError::CheckCharacter));
    assert!(Udi::parse(&with("00")).is_ok(), "other flags carry no check");
}

#[test]
fn stm_050_gs1_elements_in_any_order() {
    let raw = "21SN-1\u{1d}240REF/7\u{1d}0151022222233336";
    let udi = Udi::parse(raw).unwrap();
    assert_eq!((udi.di, udi.serial), ("51022222233336", Some("SN-1")));
    assert_eq!(udi.additional, Some("REF/7"));
    assert_eq!(Udi::parse("9912"), Err(UdiError::UnknownForm));
}

#[test]
fn stm_041_order_of_events() {
    let mut life = Life::NEW;
    let way =
        [T::Check, T::DownloadStarted, T::Downloaded, T::SignatureVerified, T::InstallStarted];
    for step in way.into_iter().chain([T::Installed, T::Reboot, T::BootOk, T::Committed]) {
        life.observe(step).unwrap();
    }
    let violation = life.observe(T::Installed).unwrap_err();
    assert_eq!((violation.after, violation.found), (Some(T::Committed), T::Installed));
    assert!(!Life::after(Some(T::Decommissioned)).allows(T::Check));
    assert!(Life::NEW.allows(T::RefusedUnsigned));
    assert!(!Life::after(Some(T::InstallStarted)).allows(T::Committed));
}

#[test]
fn stm_014_scalars_of_es256() {
    let mut high = [0; 64];
    high[31] = 1;
    high[32..].copy_from_slice(&[0x7f; 32]);
    high[32] = 0x80;
    assert_eq!(check_scalars(Algorithm::Es256, &high), Err(StatementError::SignatureHighS));
    let before = high;
    normalise_low_s(&mut high);
    assert_ne!(before, high);
    check_scalars(Algorithm::Es256, &high).unwrap();
    let zero = [0; 64];
    assert_eq!(check_scalars(Algorithm::Es256, &zero), Err(StatementError::SignatureScalarRange));
}

#[test]
fn stm_015_scalar_of_eddsa() {
    assert!(check_scalars(Algorithm::EdDsa, &[0xff; 64]).is_err());
    check_scalars(Algorithm::EdDsa, &[0; 64]).unwrap();
}

/// The example of RFC 9679 §6.
#[test]
fn stm_012_thumbprint_of_rfc_9679() {
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
            .collect()
    };
    let x = hex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d");
    let y = hex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c");
    let key = PublicKey::P256([x, y].concat().try_into().unwrap());
    assert_eq!(
        key.thumbprint().to_string(),
        "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"
    );
    assert_eq!(PublicKey::from_cose_key(&key.to_cose_key()), Ok(key));
}

#[test]
fn keccak_beside_sha_256() {
    let digests = ImageDigests::of(b"", true);
    assert!(digests.sha256.to_string().starts_with("e3b0c442"));
    assert!(digests.keccak256.unwrap().to_string().starts_with("c5d24601"));
}

#[test]
fn stm_055_disclosures_open_commitments() {
    let told = Disclosure {
        entry: Digest([1; 32]),
        field: FieldId::Serial,
        salt: [2; 16],
        value: "SN-1".into(),
    };
    let commitments =
        Commitments::new(&[Commitment::new(FieldId::Serial, &[2; 16], "SN-1")]).unwrap();
    assert!(told.opens(&[1; 32], &commitments));
    assert!(!told.opens(&[9; 32], &commitments));
    let other = Disclosure { value: "SN-2".into(), ..told.clone() };
    assert!(!other.opens(&[1; 32], &commitments));
    let set = DisclosureSet::new(vec![told]).unwrap();
    assert_eq!(DisclosureSet::parse(&set.encode().unwrap()), Ok(set));
}
