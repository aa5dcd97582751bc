use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// IPv4 networks that are not reachable globally, by the IANA registry of special-purpose addresses.
const SPECIAL_V4: [Ipv4Net; 15] = [
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

/// The only part of IPv6 that is handed out for global use.
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0], 3);

/// Parts of it that are not reachable globally: protocol assignments (Teredo among them) and documentation.
const SPECIAL_V6: [Ipv6Net; 3] = [v6([0x2001, 0], 23), v6([0x2001, 0xdb8], 32), v6([0x3fff, 0], 20)];

const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0], 16);
const NAT64: Ipv6Net = v6([0x64, 0xff9b], 96);

/// Says which addresses may be connected to: those that anyone on the internet may, and the networks that the operator
/// allows besides.
#[derive(Clone, Debug, Default)]
pub(super) struct AddressPolicy {
    allowed: Vec<IpNet>,
}

impl AddressPolicy {
    /// Allows `networks` besides the global addresses.
    pub(super) fn allowing(networks: Vec<IpNet>) -> Self {
        Self { allowed: networks }
    }

    /// Whether a connection to `address` may be made. An IPv4 address in IPv6 clothes is judged as what it is.
    pub(super) fn permits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed.iter().any(|network| network.contains(&address)) || is_global(address)
    }
}

fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_global_v4(address),
        IpAddr::V6(address) => is_global_v6(address),
    }
}

fn is_global_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|network| network.contains(&address))
}

fn is_global_v6(address: Ipv6Addr) -> bool {
    if NAT64.contains(&address) {
        return is_global_v4(embedded(address, 6));
    }
    if !GLOBAL_V6.contains(&address) || SPECIAL_V6.iter().any(|network| network.contains(&address)) {
        return false;
    }
    if SIX_TO_FOUR.contains(&address) && !is_global_v4(embedded(address, 1)) {
        return false;
    }
    // ISATAP: the interface part ends in an IPv4 address after 0000:5efe or 0200:5efe.
    let is_isatap = matches!(address.segments(), [_, _, _, _, 0 | 0x200, 0x5efe, _, _]);
    !is_isatap || is_global_v4(embedded(address, 6))
}

/// The IPv4 address in the two 16-bit groups from `group` on.
fn embedded(address: Ipv6Addr, group: usize) -> Ipv4Addr {
    let groups = address.segments();
    let ([a, b], [c, d]) = (groups[group].to_be_bytes(), groups[group + 1].to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(groups: [u16; 2], bits: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(groups[0], groups[1], 0, 0, 0, 0, 0, 0), bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(policy: &AddressPolicy, address: &str) -> bool {
        policy.permits(address.parse().unwrap())
    }

    #[test]
    fn global_addresses_are_permitted() {
        let policy = AddressPolicy::default();
        let global = [
            "1.1.1.1",
            "9.255.255.255",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
        ];
        for address in global {
            assert!(permits(&policy, address), "{address}");
        }
    }

    #[test]
    fn special_ipv4_addresses_are_refused() {
        let policy = AddressPolicy::default();
        let special = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ];
        for address in special {
            assert!(!permits(&policy, address), "{address}");
            assert!(!permits(&policy, &format!("::ffff:{address}")), "mapped {address}");
            assert!(!permits(&policy, &format!("::{address}")), "compatible {address}");
            assert!(!permits(&policy, &format!("64:ff9b::{address}")), "NAT64 {address}");
            assert!(!permits(&policy, &format!("2a00::5efe:{address}")), "ISATAP {address}");
            assert!(!permits(&policy, &format!("2a00::200:5efe:{address}")), "global ISATAP {address}");
        }
    }

    #[test]
    fn special_ipv6_addresses_are_refused() {
        let policy = AddressPolicy::default();
        let special = [
            "::",
            "::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:2::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "2002:c0a8:101::1",
            "3fff::1",
            "5f00::1",
            "64:ff9b:1::1.1.1.1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for address in special {
            assert!(!permits(&policy, address), "{address}");
        }
    }

    #[test]
    fn allowed_networks_and_only_those_are_permitted_besides() {
        let policy = AddressPolicy::allowing(vec!["10.1.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        for address in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "1.1.1.1"] {
            assert!(permits(&policy, address), "{address}");
        }
        for address in ["10.2.0.1", "127.0.0.1", "fe80::1", "64:ff9b::10.1.2.3"] {
            assert!(!permits(&policy, address), "{address}");
        }
    }
}
