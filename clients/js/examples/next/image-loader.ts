"use client";
import { loader } from "@tintype/client/next";

export default loader(process.env.NEXT_PUBLIC_TINTYPE_URL);
