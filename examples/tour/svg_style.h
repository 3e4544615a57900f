/*
 * svg_style.h -- the picture's colours and type, for light and dark surroundings.
 */
#ifndef TOUR_SVG_STYLE_H
#define TOUR_SVG_STYLE_H

static const char svg_style[] =
    "<style>\n"
    "text { font: 12px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1f2328 }\n"
    ".title { font-size: 18px; font-weight: 600 }\n"
    ".name { font-size: 14px; font-weight: 600 }\n"
    ".faint { fill: #59636e }\n"
    ".small { font-size: 11px }\n"
    ".halo { paint-order: stroke; stroke-width: 3px; stroke-linejoin: round; stroke: #f3f5f7 }\n"
    ".paper { fill: #ffffff; stroke: #d1d9e0 }\n"
    ".placeholder { fill: #f3f5f7 }\n"
    ".hatch { stroke: #dde2e7; stroke-width: 1.5 }\n"
    ".committed { fill: #a8d0fb }\n"
    ".used { fill: #2f7ddb }\n"
    ".view { fill: #f0923a }\n"
    ".edge { stroke: #ffffff; stroke-opacity: .55; stroke-width: .6 }\n"
    ".axis { stroke: #8b949e; fill: none }\n"
    ".grid { stroke: #d1d9e0; fill: none }\n"
    ".phase { stroke: #8b949e; stroke-dasharray: 3 3; fill: none }\n"
    ".coalesce { stroke: #8a3fd1; stroke-width: 1.6; fill: none }\n"
    ".coalesced { fill: #7a2fc2 }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "text { fill: #e6edf3 }\n"
    ".faint { fill: #9198a1 }\n"
    ".halo { stroke: #161b22 }\n"
    ".paper { fill: #0d1117; stroke: #3d444d }\n"
    ".placeholder { fill: #161b22 }\n"
    ".hatch { stroke: #262d36 }\n"
    ".committed { fill: #1d4674 }\n"
    ".used { fill: #3f8ef0 }\n"
    ".view { fill: #d9792a }\n"
    ".edge { stroke: #0d1117 }\n"
    ".axis, .phase { stroke: #6e7781 }\n"
    ".grid { stroke: #3d444d }\n"
    ".coalesce { stroke: #c297ff }\n"
    ".coalesced { fill: #c297ff }\n"
    "}\n"
    "</style>\n"
    "<defs><pattern id=\"hatch\" width=\"7\" height=\"7\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\">"
    "<rect class=\"placeholder\" width=\"7\" height=\"7\"/>"
    "<path class=\"hatch\" d=\"M0 0V7\"/></pattern></defs>\n";

#endif
