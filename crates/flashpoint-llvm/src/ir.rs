//! A module of LLVM IR under construction, behind safe methods. With `machine`, the only module that calls LLVM.
//!
//! Scalars and vectors share one type of value, as in LLVM's own C interface: inkwell's typed values would double every
//! method. Methods are named like LLVM's instructions.
//!
//! Invariant: operands have the types that the instruction asks for, or LLVM reads memory as what it is not. Kept by
//! `translate`, which translates verified functions only; checked by [`Ir::verify`] before any pass runs.
#![allow(unsafe_code, reason = "calls LLVM's C interface")]

use std::ffi::{CStr, CString, c_char, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr;

use inkwell::llvm_sys as sys;
use inkwell::llvm_sys::core::*;
use inkwell::llvm_sys::debuginfo::{LLVMMetadataReplaceAllUsesWith, LLVMTemporaryMDNode};
use inkwell::llvm_sys::prelude::*;

pub(crate) use inkwell::llvm_sys::{LLVMIntPredicate as IntPredicate, LLVMRealPredicate as RealPredicate};

/// A module in a context of its own, and the place where instructions are appended.
pub(crate) struct Ir {
    context: LLVMContextRef,
    module: LLVMModuleRef,
    builder: LLVMBuilderRef,
    /// What LLVM complained about. A raw pointer to a vector of ours, because LLVM keeps the address as well.
    complaints: *mut Vec<String>,
}

/// An instruction's result, a constant, a parameter or a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Val<'a>(LLVMValueRef, PhantomData<&'a Ir>);

/// A type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ty<'a>(LLVMTypeRef, PhantomData<&'a Ir>);

/// A basic block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Bb<'a>(LLVMBasicBlockRef, PhantomData<&'a Ir>);

/// Metadata.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Md<'a>(LLVMMetadataRef, PhantomData<&'a Ir>);

/// An attribute of a function, a parameter or a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attr<'a>(LLVMAttributeRef, PhantomData<&'a Ir>);

const NO_NAME: *const c_char = c"".as_ptr();

// SAFETY of every block below, unless it says more: the context, module and builder are live as long as `self`, values
// are of this module (they borrow from it, and a compilation has only one), and operand types are right by the module's
// invariant. Strings and arrays are passed with their lengths or as C strings, and are copied by LLVM.
macro_rules! operations {
    ($($(#[$meta:meta])* $name:ident($($operand:ident),+) = $build:ident;)*) => {
        $($(#[$meta])*
        pub(crate) fn $name(&self, $($operand: Val<'_>),+) -> Val<'_> {
            // SAFETY: see the module.
            self.val(unsafe { $build(self.builder, $($operand.0,)+ NO_NAME) })
        })*
    };
}

macro_rules! casts {
    ($($name:ident = $build:ident;)*) => {
        $(pub(crate) fn $name(&self, value: Val<'_>, ty: Ty<'_>) -> Val<'_> {
            // SAFETY: see the module.
            self.val(unsafe { $build(self.builder, value.0, ty.0, NO_NAME) })
        })*
    };
}

impl Ir {
    /// An empty module. Passes name what they make only if `keep_names`: the names are for readers, and keeping them unique
    /// is a good part of what a large function costs.
    pub(crate) fn new(name: &str, keep_names: bool) -> Ir {
        let name = c_string(name);
        let complaints = Box::into_raw(Box::<Vec<String>>::default());
        // SAFETY: makes a new context, and a module and builder in it, all owned by the result; the handler's argument
        // lives as long as the context.
        unsafe {
            let context = LLVMContextCreate();
            LLVMContextSetDiagnosticHandler(context, Some(keep_complaint), complaints.cast());
            LLVMContextSetDiscardValueNames(context, (!keep_names).into());
            let module = LLVMModuleCreateWithNameInContext(name.as_ptr(), context);
            let builder = LLVMCreateBuilderInContext(context);
            Ir { context, module, builder, complaints }
        }
    }

    pub(crate) fn module(&self) -> LLVMModuleRef {
        self.module
    }

    /// Errors that LLVM reported since the module was made.
    pub(crate) fn complaint(&self) -> Option<String> {
        // SAFETY: live as long as `self`; LLVM, which writes to it, does not run now.
        let complaints = unsafe { &*self.complaints };
        (!complaints.is_empty()).then(|| complaints.join("; "))
    }

    /// Checks that the module is well-formed.
    pub(crate) fn verify(&self) -> Result<(), String> {
        let mut message = ptr::null_mut();
        let action = sys::analysis::LLVMVerifierFailureAction::LLVMReturnStatusAction;
        // SAFETY: the module is live; `message` receives a string of ours to dispose of.
        unsafe {
            let broken = sys::analysis::LLVMVerifyModule(self.module, action, &mut message);
            let text = take_message(message);
            if broken == 0 { Ok(()) } else { Err(text) }
        }
    }

    /// The module as text.
    pub(crate) fn text(&self) -> String {
        // SAFETY: the module is live; the string is ours to dispose of.
        unsafe { take_message(LLVMPrintModuleToString(self.module)) }
    }

    fn val(&self, value: LLVMValueRef) -> Val<'_> {
        debug_assert!(!value.is_null());
        Val(value, PhantomData)
    }

    // ---- Types and constants ----

    /// An integer type.
    pub(crate) fn int_ty(&self, bits: u32) -> Ty<'_> {
        // SAFETY: see the module.
        Ty(unsafe { LLVMIntTypeInContext(self.context, bits) }, PhantomData)
    }

    pub(crate) fn f32_ty(&self) -> Ty<'_> {
        // SAFETY: see the module.
        Ty(unsafe { LLVMFloatTypeInContext(self.context) }, PhantomData)
    }

    pub(crate) fn f64_ty(&self) -> Ty<'_> {
        // SAFETY: see the module.
        Ty(unsafe { LLVMDoubleTypeInContext(self.context) }, PhantomData)
    }

    pub(crate) fn ptr_ty(&self) -> Ty<'_> {
        // SAFETY: see the module.
        Ty(unsafe { LLVMPointerTypeInContext(self.context, 0) }, PhantomData)
    }

    pub(crate) fn void_ty(&self) -> Ty<'_> {
        // SAFETY: see the module.
        Ty(unsafe { LLVMVoidTypeInContext(self.context) }, PhantomData)
    }

    pub(crate) fn vector_ty(&self, lane: Ty<'_>, lanes: u32) -> Ty<'_> {
        // SAFETY: see the module.
        Ty(unsafe { LLVMVectorType(lane.0, lanes) }, PhantomData)
    }

    pub(crate) fn array_ty(&self, item: Ty<'_>, len: u64) -> Ty<'_> {
        // SAFETY: see the module.
        Ty(unsafe { LLVMArrayType2(item.0, len) }, PhantomData)
    }

    pub(crate) fn struct_ty(&self, fields: &[Ty<'_>]) -> Ty<'_> {
        let mut fields: Vec<_> = fields.iter().map(|ty| ty.0).collect();
        // SAFETY: see the module.
        Ty(
            unsafe { LLVMStructTypeInContext(self.context, fields.as_mut_ptr(), fields.len() as c_uint, 0) },
            PhantomData,
        )
    }

    pub(crate) fn function_ty(&self, params: &[Ty<'_>], result: Ty<'_>) -> Ty<'_> {
        let mut params: Vec<_> = params.iter().map(|ty| ty.0).collect();
        // SAFETY: see the module.
        Ty(unsafe { LLVMFunctionType(result.0, params.as_mut_ptr(), params.len() as c_uint, 0) }, PhantomData)
    }

    pub(crate) fn type_of(&self, value: Val<'_>) -> Ty<'_> {
        // SAFETY: see the module.
        Ty(unsafe { LLVMTypeOf(value.0) }, PhantomData)
    }

    /// An integer constant of at most 128 bits; the upper bits of `value` beyond the type are dropped.
    pub(crate) fn int(&self, ty: Ty<'_>, value: i128) -> Val<'_> {
        let words = [value as u64, (value >> 64) as u64];
        // SAFETY: see the module.
        self.val(unsafe { LLVMConstIntOfArbitraryPrecision(ty.0, 2, words.as_ptr()) })
    }

    /// An integer constant of a scalar type, or the same in every lane of a vector type.
    pub(crate) fn int_like(&self, ty: Ty<'_>, value: i128) -> Val<'_> {
        // SAFETY: see the module; only a vector type is asked for its lanes.
        unsafe {
            if LLVMGetTypeKind(ty.0) != sys::LLVMTypeKind::LLVMVectorTypeKind {
                return self.int(ty, value);
            }
            let lane = self.int(Ty(LLVMGetElementType(ty.0), PhantomData), value);
            let mut lanes = vec![lane.0; LLVMGetVectorSize(ty.0) as usize];
            self.val(LLVMConstVector(lanes.as_mut_ptr(), lanes.len() as c_uint))
        }
    }

    /// A float constant of a scalar type by the bits of an integer constant; likewise in vectors.
    pub(crate) fn const_bit_cast(&self, value: Val<'_>, ty: Ty<'_>) -> Val<'_> {
        // SAFETY: see the module.
        self.val(unsafe { LLVMConstBitCast(value.0, ty.0) })
    }

    pub(crate) fn const_int_to_ptr(&self, value: Val<'_>) -> Val<'_> {
        // SAFETY: see the module.
        self.val(unsafe { LLVMConstIntToPtr(value.0, self.ptr_ty().0) })
    }

    pub(crate) fn poison(&self, ty: Ty<'_>) -> Val<'_> {
        // SAFETY: see the module.
        self.val(unsafe { LLVMGetPoison(ty.0) })
    }

    // ---- Arithmetic ----

    operations! {
        add(a, b) = LLVMBuildAdd;
        sub(a, b) = LLVMBuildSub;
        mul(a, b) = LLVMBuildMul;
        sdiv(a, b) = LLVMBuildSDiv;
        srem(a, b) = LLVMBuildSRem;
        udiv(a, b) = LLVMBuildUDiv;
        urem(a, b) = LLVMBuildURem;
        and(a, b) = LLVMBuildAnd;
        or(a, b) = LLVMBuildOr;
        xor(a, b) = LLVMBuildXor;
        shl(a, b) = LLVMBuildShl;
        ashr(a, b) = LLVMBuildAShr;
        lshr(a, b) = LLVMBuildLShr;
        neg(a) = LLVMBuildNeg;
        not(a) = LLVMBuildNot;
        fadd(a, b) = LLVMBuildFAdd;
        fsub(a, b) = LLVMBuildFSub;
        fmul(a, b) = LLVMBuildFMul;
        fdiv(a, b) = LLVMBuildFDiv;
        fneg(a) = LLVMBuildFNeg;
        freeze(a) = LLVMBuildFreeze;
        select(cond, a, b) = LLVMBuildSelect;
        extract_element(vector, index) = LLVMBuildExtractElement;
        insert_element(vector, lane, index) = LLVMBuildInsertElement;
        shuffle_vector(a, b, mask) = LLVMBuildShuffleVector;
    }

    casts! {
        trunc = LLVMBuildTrunc;
        zext = LLVMBuildZExt;
        sext = LLVMBuildSExt;
        sint_to_fp = LLVMBuildSIToFP;
        uint_to_fp = LLVMBuildUIToFP;
        fp_to_sint = LLVMBuildFPToSI;
        fp_to_uint = LLVMBuildFPToUI;
        fp_ext = LLVMBuildFPExt;
        fp_trunc = LLVMBuildFPTrunc;
        bit_cast = LLVMBuildBitCast;
        ptr_to_int = LLVMBuildPtrToInt;
        int_to_ptr = LLVMBuildIntToPtr;
    }

    pub(crate) fn icmp(&self, predicate: IntPredicate, a: Val<'_>, b: Val<'_>) -> Val<'_> {
        // SAFETY: see the module.
        self.val(unsafe { LLVMBuildICmp(self.builder, predicate, a.0, b.0, NO_NAME) })
    }

    pub(crate) fn fcmp(&self, predicate: RealPredicate, a: Val<'_>, b: Val<'_>) -> Val<'_> {
        // SAFETY: see the module.
        self.val(unsafe { LLVMBuildFCmp(self.builder, predicate, a.0, b.0, NO_NAME) })
    }

    pub(crate) fn extract_value(&self, aggregate: Val<'_>, field: u32) -> Val<'_> {
        // SAFETY: see the module.
        self.val(unsafe { LLVMBuildExtractValue(self.builder, aggregate.0, field, NO_NAME) })
    }

    /// Grants an instruction every freedom of `fastmath` but approximate functions. No effect on a constant.
    pub(crate) fn set_fast_math(&self, value: Val<'_>) {
        // SAFETY: see the module; only float instructions are marked.
        unsafe {
            if !LLVMIsAInstruction(value.0).is_null() && LLVMCanValueUseFastMathFlags(value.0) != 0 {
                LLVMSetFastMathFlags(value.0, sys::LLVMFastMathAll & !sys::LLVMFastMathApproxFunc);
            }
        }
    }

    /// Calls an intrinsic by its name without type suffix, such as `llvm.smax`.
    pub(crate) fn intrinsic(&self, name: &str, overload: &[Ty<'_>], args: &[Val<'_>]) -> Val<'_> {
        let mut overload: Vec<_> = overload.iter().map(|ty| ty.0).collect();
        // SAFETY: see the module; an unknown name gives 0, which is checked.
        let (callee, ty) = unsafe {
            let id = LLVMLookupIntrinsicID(name.as_ptr().cast(), name.len());
            assert!(id != 0, "no intrinsic {name}");
            let callee = LLVMGetIntrinsicDeclaration(self.module, id, overload.as_mut_ptr(), overload.len());
            (callee, LLVMGlobalGetValueType(callee))
        };
        self.call(Ty(ty, PhantomData), self.val(callee), args)
    }

    // ---- Memory ----

    /// `addr + bytes`, inside the object that `addr` points into.
    pub(crate) fn ptr_add(&self, addr: Val<'_>, bytes: Val<'_>) -> Val<'_> {
        let mut index = [bytes.0];
        let byte = self.int_ty(8).0;
        // SAFETY: see the module.
        self.val(unsafe { LLVMBuildInBoundsGEP2(self.builder, byte, addr.0, index.as_mut_ptr(), 1, NO_NAME) })
    }

    pub(crate) fn load(&self, ty: Ty<'_>, addr: Val<'_>, align: u32) -> Val<'_> {
        // SAFETY: see the module.
        unsafe {
            let load = LLVMBuildLoad2(self.builder, ty.0, addr.0, NO_NAME);
            LLVMSetAlignment(load, align);
            self.val(load)
        }
    }

    pub(crate) fn store(&self, value: Val<'_>, addr: Val<'_>, align: u32) -> Val<'_> {
        // SAFETY: see the module.
        unsafe {
            let store = LLVMBuildStore(self.builder, value.0, addr.0);
            LLVMSetAlignment(store, align);
            self.val(store)
        }
    }

    /// Keeps a store as it is and where it is.
    pub(crate) fn set_volatile(&self, store: Val<'_>) {
        // SAFETY: see the module.
        unsafe { LLVMSetVolatile(store.0, 1) }
    }

    /// Makes a load one that other threads' writes may race with; `volatile` ones are never merged or moved out of loops.
    pub(crate) fn set_unordered(&self, load: Val<'_>, volatile: bool) {
        // SAFETY: see the module.
        unsafe {
            LLVMSetOrdering(load.0, sys::LLVMAtomicOrdering::LLVMAtomicOrderingUnordered);
            LLVMSetVolatile(load.0, volatile.into());
        }
    }

    // ---- Control flow and calls ----

    pub(crate) fn call(&self, ty: Ty<'_>, callee: Val<'_>, args: &[Val<'_>]) -> Val<'_> {
        let mut args: Vec<_> = args.iter().map(|arg| arg.0).collect();
        let n_args = args.len() as c_uint;
        // SAFETY: see the module.
        self.val(unsafe { LLVMBuildCall2(self.builder, ty.0, callee.0, args.as_mut_ptr(), n_args, NO_NAME) })
    }

    pub(crate) fn phi(&self, ty: Ty<'_>) -> Val<'_> {
        // SAFETY: see the module.
        self.val(unsafe { LLVMBuildPhi(self.builder, ty.0, NO_NAME) })
    }

    pub(crate) fn add_incoming(&self, phi: Val<'_>, value: Val<'_>, from: Bb<'_>) {
        let (mut value, mut from) = (value.0, from.0);
        // SAFETY: see the module.
        unsafe { LLVMAddIncoming(phi.0, &mut value, &mut from, 1) }
    }

    pub(crate) fn br(&self, target: Bb<'_>) -> Val<'_> {
        // SAFETY: see the module.
        self.val(unsafe { LLVMBuildBr(self.builder, target.0) })
    }

    pub(crate) fn cond_br(&self, cond: Val<'_>, if_true: Bb<'_>, if_false: Bb<'_>) -> Val<'_> {
        // SAFETY: see the module.
        self.val(unsafe { LLVMBuildCondBr(self.builder, cond.0, if_true.0, if_false.0) })
    }

    pub(crate) fn ret(&self, value: Val<'_>) {
        // SAFETY: see the module.
        unsafe { LLVMBuildRet(self.builder, value.0) };
    }

    /// Returns a struct of these fields.
    pub(crate) fn ret_struct(&self, fields: &[Val<'_>]) {
        let mut fields: Vec<_> = fields.iter().map(|field| field.0).collect();
        // SAFETY: see the module.
        unsafe { LLVMBuildAggregateRet(self.builder, fields.as_mut_ptr(), fields.len() as c_uint) };
    }

    pub(crate) fn append_block(&self, function: Val<'_>) -> Bb<'_> {
        // SAFETY: see the module.
        Bb(unsafe { LLVMAppendBasicBlockInContext(self.context, function.0, NO_NAME) }, PhantomData)
    }

    /// Further instructions go to the end of `block`.
    pub(crate) fn switch_to(&self, block: Bb<'_>) {
        // SAFETY: see the module.
        unsafe { LLVMPositionBuilderAtEnd(self.builder, block.0) }
    }

    /// The block that instructions go to.
    pub(crate) fn current_block(&self) -> Bb<'_> {
        // SAFETY: see the module; the builder has been positioned.
        Bb(unsafe { LLVMGetInsertBlock(self.builder) }, PhantomData)
    }

    // ---- Functions, globals, attributes, metadata ----

    pub(crate) fn add_function(&self, name: &str, ty: Ty<'_>) -> Val<'_> {
        let name = c_string(name);
        // SAFETY: see the module.
        self.val(unsafe { LLVMAddFunction(self.module, name.as_ptr(), ty.0) })
    }

    pub(crate) fn param(&self, function: Val<'_>, index: u32) -> Val<'_> {
        // SAFETY: see the module; the index is below the number of parameters.
        self.val(unsafe { LLVMGetParam(function.0, index) })
    }

    /// A constant defined elsewhere, within reach of the code.
    pub(crate) fn add_external_constant(&self, name: &str, ty: Ty<'_>) -> Val<'_> {
        let name = c_string(name);
        // SAFETY: see the module.
        unsafe {
            let global = LLVMAddGlobal(self.module, ty.0, name.as_ptr());
            LLVMSetLinkage(global, sys::LLVMLinkage::LLVMExternalLinkage);
            LLVMSetVisibility(global, sys::LLVMVisibility::LLVMHiddenVisibility);
            LLVMSetGlobalConstant(global, 1);
            LLVMSetAlignment(global, 8);
            self.val(global)
        }
    }

    /// An attribute that LLVM knows by name.
    pub(crate) fn attr(&self, name: &str, value: u64) -> Attr<'_> {
        // SAFETY: see the module; an unknown name gives 0, which is checked.
        let attr = unsafe {
            let kind = LLVMGetEnumAttributeKindForName(name.as_ptr().cast(), name.len());
            assert!(kind != 0, "no attribute {name}");
            LLVMCreateEnumAttribute(self.context, kind, value)
        };
        Attr(attr, PhantomData)
    }

    /// An attribute of two strings.
    pub(crate) fn string_attr(&self, key: &str, value: &str) -> Attr<'_> {
        let (key_len, value_len) = (key.len() as c_uint, value.len() as c_uint);
        // SAFETY: see the module.
        let attr = unsafe {
            LLVMCreateStringAttribute(self.context, key.as_ptr().cast(), key_len, value.as_ptr().cast(), value_len)
        };
        Attr(attr, PhantomData)
    }

    pub(crate) fn add_function_attr(&self, function: Val<'_>, attr: Attr<'_>) {
        // SAFETY: see the module.
        unsafe { LLVMAddAttributeAtIndex(function.0, sys::LLVMAttributeFunctionIndex, attr.0) }
    }

    pub(crate) fn add_param_attr(&self, function: Val<'_>, param: u32, attr: Attr<'_>) {
        // SAFETY: see the module; parameters count from 1.
        unsafe { LLVMAddAttributeAtIndex(function.0, param + 1, attr.0) }
    }

    pub(crate) fn add_call_attr(&self, call: Val<'_>, attr: Attr<'_>) {
        // SAFETY: see the module.
        unsafe { LLVMAddCallSiteAttribute(call.0, sys::LLVMAttributeFunctionIndex, attr.0) }
    }

    pub(crate) fn md_string(&self, text: &str) -> Md<'_> {
        // SAFETY: see the module.
        Md(unsafe { LLVMMDStringInContext2(self.context, text.as_ptr().cast(), text.len()) }, PhantomData)
    }

    pub(crate) fn md_int(&self, bits: u32, value: i128) -> Md<'_> {
        // SAFETY: see the module.
        Md(unsafe { LLVMValueAsMetadata(self.int(self.int_ty(bits), value).0) }, PhantomData)
    }

    pub(crate) fn md_node(&self, items: &[Md<'_>]) -> Md<'_> {
        let mut items: Vec<_> = items.iter().map(|item| item.0).collect();
        // SAFETY: see the module.
        Md(unsafe { LLVMMDNodeInContext2(self.context, items.as_mut_ptr(), items.len()) }, PhantomData)
    }

    /// A node whose first item is itself, so that it is equal to no other.
    pub(crate) fn md_distinct_node(&self, items: &[Md<'_>]) -> Md<'_> {
        // SAFETY: see the module; the temporary node is replaced, which frees it.
        unsafe {
            let temporary = LLVMTemporaryMDNode(self.context, ptr::null_mut(), 0);
            let mut all = vec![temporary];
            all.extend(items.iter().map(|item| item.0));
            let node = LLVMMDNodeInContext2(self.context, all.as_mut_ptr(), all.len());
            LLVMMetadataReplaceAllUsesWith(temporary, node);
            Md(node, PhantomData)
        }
    }

    pub(crate) fn md_kind(&self, name: &str) -> u32 {
        // SAFETY: see the module.
        unsafe { LLVMGetMDKindIDInContext(self.context, name.as_ptr().cast(), name.len() as c_uint) }
    }

    pub(crate) fn set_metadata(&self, instruction: Val<'_>, kind: u32, node: Md<'_>) {
        // SAFETY: see the module.
        unsafe { LLVMSetMetadata(instruction.0, kind, LLVMMetadataAsValue(self.context, node.0)) }
    }
}

impl Drop for Ir {
    fn drop(&mut self) {
        // SAFETY: all are owned by `self`, and no value of theirs outlives it; the vector goes after the context.
        unsafe {
            LLVMDisposeBuilder(self.builder);
            LLVMDisposeModule(self.module);
            LLVMContextDispose(self.context);
            drop(Box::from_raw(self.complaints));
        }
    }
}

/// Without a handler LLVM would end the process at the first error it reports.
extern "C" fn keep_complaint(info: LLVMDiagnosticInfoRef, complaints: *mut c_void) {
    // SAFETY: LLVM calls this with a live description, on the thread that compiles, and with the vector's address given
    // to it by `Ir::new`; nobody else uses the vector while LLVM runs.
    unsafe {
        if LLVMGetDiagInfoSeverity(info) == sys::LLVMDiagnosticSeverity::LLVMDSError {
            let text = take_message(LLVMGetDiagInfoDescription(info));
            (*complaints.cast::<Vec<String>>()).push(text);
        }
    }
}

/// Copies and disposes of a string of LLVM's.
///
/// # Safety
/// `message` is null or a string that LLVM gave to its caller to keep.
pub(crate) unsafe fn take_message(message: *mut c_char) -> String {
    if message.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe {
        let text = CStr::from_ptr(message).to_string_lossy().into_owned();
        LLVMDisposeMessage(message);
        text
    }
}

fn c_string(text: &str) -> CString {
    CString::new(text).expect("names are checked for zero bytes")
}
