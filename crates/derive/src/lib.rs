//! `#[derive(Trace)]`: turns the fields of a struct into a heap layout, in a constant.
//!
//! *Callers:* users of `spanheap`, through its re-export. *Invariants:* the macro reads only types and names; offsets
//! come from `offset_of!` in the generated constant, so that the compiler's own field order is what the marker sees.
//! What can not be an object (a type with a destructor, a reference out of place) fails where the constant is
//! evaluated: at the derive for plain types, at first use for generic ones.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Index, Result, parse_macro_input, parse_quote};

/// Derives `spanheap::Trace` for a struct whose fields are all `Trace`, or for an enum without fields.
///
/// `#[trace(rare)]` on the type says that few objects of it exist: they then share spans with other rare types.
#[proc_macro_derive(Trace, attributes(trace))]
pub fn derive_trace(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(input).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(mut input: DeriveInput) -> Result<TokenStream> {
    for parameter in input.generics.type_params_mut() {
        parameter.bounds.push(parse_quote!(::spanheap::Trace));
    }
    let rare = is_rare(&input)?;
    let fields = field_types(&input)?;
    let name = &input.ident;
    let text = name.to_string();
    let array_text = format!("[{text}]");
    let (impl_generics, type_generics, where_clause) = input.generics.split_for_impl();
    let members = fields.iter().map(
        |(member, ty)| quote!(.with_field(::core::mem::offset_of!(Self, #member), <#ty as ::spanheap::Trace>::LAYOUT)),
    );
    let zero = fields.iter().map(|(_, ty)| quote!(&& <#ty as ::spanheap::Trace>::ZERO_IS_VALID));
    // Of an enum, only the compiler knows whether zero is a variant.
    let plain = matches!(input.data, Data::Struct(_));
    let rare = rare.then(|| quote!(.as_rare()));
    let evaluate = input.generics.params.is_empty().then(|| {
        quote! { const _: ::spanheap::TypeLayout = <#name as ::spanheap::Trace>::LAYOUT; }
    });
    Ok(quote! {
        // SAFETY: the layout is computed from all fields, each of which vouches for its own.
        unsafe impl #impl_generics ::spanheap::Trace for #name #type_generics #where_clause {
            const NAME: &'static str = #text;
            const ARRAY_NAME: &'static str = #array_text;
            const ZERO_IS_VALID: bool = #plain #(#zero)*;
            const LAYOUT: ::spanheap::TypeLayout = {
                assert!(!::core::mem::needs_drop::<Self>(), "a type with a destructor can not be a heap object");
                ::spanheap::TypeLayout::leaf::<Self>() #(#members)* #rare
            };
        }
        #evaluate
    })
}

fn is_rare(input: &DeriveInput) -> Result<bool> {
    let mut rare = false;
    for attribute in input.attrs.iter().filter(|attribute| attribute.path().is_ident("trace")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("rare") {
                rare = true;
                Ok(())
            } else {
                Err(meta.error("the only option is `rare`"))
            }
        })?;
    }
    Ok(rare)
}

fn field_types(input: &DeriveInput) -> Result<Vec<(TokenStream, &syn::Type)>> {
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(data) if data.variants.iter().all(|variant| matches!(variant.fields, Fields::Unit)) => {
            return Ok(Vec::new());
        }
        Data::Enum(_) => {
            let text = "an enum with fields can not be traced: its words mean different things in each variant";
            return Err(Error::new_spanned(&input.ident, text));
        }
        Data::Union(_) => return Err(Error::new_spanned(&input.ident, "a union can not be traced")),
    };
    Ok(fields
        .iter()
        .enumerate()
        .map(|(number, field)| {
            let member = match &field.ident {
                Some(name) => quote!(#name),
                None => {
                    let index = Index::from(number);
                    quote!(#index)
                }
            };
            (member, &field.ty)
        })
        .collect())
}
