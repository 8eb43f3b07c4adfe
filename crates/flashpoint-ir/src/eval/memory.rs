//! Memory: a table of objects, each of one region, with gaps of addresses between them.

use super::{EvalValue, POLL_OFFSET, Stop};
use crate::abi::Context;
use crate::typed::{Region, Type};

/// Everything that a run may read and write. Address 0 belongs to no object.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    objects: Vec<Object>,
}

#[derive(Clone, Debug, PartialEq)]
struct Object {
    region: Region,
    bytes: Vec<u8>,
}

/// Addresses from one object to the next; none is larger.
const SPACING: u64 = 1 << 32;

impl Default for Memory {
    fn default() -> Memory {
        Memory::new()
    }
}

impl Memory {
    /// Nothing but a context of zeros.
    pub fn new() -> Memory {
        Memory { objects: vec![Object { region: Region::Context, bytes: vec![0; size_of::<Context>()] }] }
    }

    /// Adds an object; the result is its address, a multiple of 64.
    pub fn add(&mut self, region: Region, bytes: Vec<u8>) -> u64 {
        assert!((bytes.len() as u64) < SPACING, "objects are smaller than {SPACING} bytes");
        self.objects.push(Object { region, bytes });
        self.objects.len() as u64 * SPACING
    }

    /// The context's address.
    pub fn context(&self) -> u64 {
        SPACING
    }

    /// The content of the object that [`Memory::add`] gave this address.
    pub fn bytes(&self, address: u64) -> &[u8] {
        &self.objects[(address / SPACING - 1) as usize].bytes
    }

    /// Like [`Memory::bytes`], to change it.
    pub fn bytes_mut(&mut self, address: u64) -> &mut [u8] {
        &mut self.objects[(address / SPACING - 1) as usize].bytes
    }

    /// The context's poll word.
    pub fn poll_word(&self) -> u32 {
        let context = self.bytes(self.context());
        u32::from_le_bytes(context[POLL_OFFSET..POLL_OFFSET + 4].try_into().expect("four bytes"))
    }

    /// Sets the context's poll word.
    pub fn set_poll_word(&mut self, word: u32) {
        let context = self.context();
        self.bytes_mut(context)[POLL_OFFSET..POLL_OFFSET + 4].copy_from_slice(&word.to_le_bytes());
    }

    pub(super) fn load(&self, address: u64, region: Region, ty: Type) -> Result<EvalValue, Stop> {
        let (object, at) = self.find(address, region, ty)?;
        let lane_bytes = ty.scalar_of().bytes();
        let lanes = self.objects[object].bytes[at..at + ty.bytes()].chunks(lane_bytes).map(|bytes| {
            let mut wide = [0; 16];
            wide[..lane_bytes].copy_from_slice(bytes);
            u128::from_le_bytes(wide)
        });
        let lanes: Vec<u128> = lanes.collect();
        Ok(if ty.lanes == 1 { EvalValue::new(ty, lanes[0]) } else { EvalValue::vector(ty, lanes) })
    }

    pub(super) fn store(&mut self, address: u64, region: Region, value: &EvalValue) -> Result<(), Stop> {
        let ty = value.ty();
        let (object, at) = self.find(address, region, ty)?;
        let lane_bytes = ty.scalar_of().bytes();
        for (lane, bits) in value.lanes().enumerate() {
            let start = at + lane * lane_bytes;
            self.objects[object].bytes[start..start + lane_bytes].copy_from_slice(&bits.to_le_bytes()[..lane_bytes]);
        }
        Ok(())
    }

    /// The object that holds all bytes of an access, and the offset in it.
    fn find(&self, address: u64, region: Region, ty: Type) -> Result<(usize, usize), Stop> {
        let wild = |what: &str| Stop::Undefined(format!("access of {ty} at {address:#x}: {what}"));
        let object_idx = (address / SPACING).checked_sub(1).ok_or_else(|| wild("no object is there"))? as usize;
        let object = self.objects.get(object_idx).ok_or_else(|| wild("no object is there"))?;
        let at = (address % SPACING) as usize;
        if at + ty.bytes() > object.bytes.len() {
            return Err(wild(&format!("the object has {} bytes", object.bytes.len())));
        }
        if object.region != region {
            return Err(wild(&format!("the object is of region {:?}", object.region)));
        }
        if !at.is_multiple_of(ty.scalar_of().bytes()) {
            return Err(wild("not aligned"));
        }
        Ok((object_idx, at))
    }
}
